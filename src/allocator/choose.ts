import { ClusterError } from '../domain/errors.ts'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Allocator, MetricsByName } from './allocator.ts'

/** What an allocation starts from (spec/components.md 1.4). */
export interface AllocationRequest {
  readonly replicationFactorMin: number
  readonly replicationFactorMax: number
  /** Present holders, dead ones included. */
  readonly current: readonly PeerId[]
  /** Peers that the user would like. */
  readonly priority: readonly PeerId[]
  /** Peers that must not be chosen. */
  readonly excluded: ReadonlySet<PeerId>
  /** Peers that may be chosen at all. */
  readonly isEligible: (peer: PeerId) => boolean
  /** Latest valid metrics of every name that the allocator requires. */
  readonly metrics: MetricsByName
}

/**
 * The holders of a pin; empty means everywhere. Holders that are enough stay as they are,
 * so that nothing moves without need.
 * @throws ClusterError `NOT_ENOUGH_PEERS`
 */
export function chooseAllocations (allocator: Allocator, request: AllocationRequest): PeerId[] {
  const { replicationFactorMin, replicationFactorMax } = request
  if (replicationFactorMin < 0 || replicationFactorMax < 0) return []
  const usable = usablePeers(allocator, request)
  const current = request.current.filter(peer => usable.has(peer))
  const rest = [...usable].filter(peer => !current.includes(peer))
  const priority = new Set(rest.filter(peer => request.priority.includes(peer)))
  const needed = replicationFactorMin - current.length
  const wanted = replicationFactorMax - current.length
  if (needed <= 0) return heldBy(request, current)
  const order = allocator.allocate({
    priority: only(request.metrics, peer => priority.has(peer)),
    candidates: only(request.metrics, peer => rest.includes(peer) && !priority.has(peer)),
  })
  if (order.length < needed) throw notEnough(needed, wanted, rest)
  return [...current, ...order.slice(0, wanted)]
}

/**
 * The holders stay, also those that are not usable now: they may come back. But not so many that
 * there would be too many then: who is usable goes first.
 */
function heldBy ({ current, replicationFactorMax }: AllocationRequest, usable: readonly PeerId[]): PeerId[] {
  if (current.length <= replicationFactorMax) return [...current]
  return [...usable, ...current.filter(peer => !usable.includes(peer))].slice(0, replicationFactorMax)
}

/** Peers that have every required metric and may be chosen. */
function usablePeers (allocator: Allocator, request: AllocationRequest): Set<PeerId> {
  let usable: Set<PeerId> | undefined
  for (const name of allocator.requiredMetrics) {
    const having = new Set((request.metrics.get(name) ?? []).map(metric => metric.peer))
    usable = usable === undefined ? having : usable.intersection(having)
  }
  return new Set([...usable ?? []].filter(peer => !request.excluded.has(peer) && request.isEligible(peer)))
}

function only (metrics: MetricsByName, keep: (peer: PeerId) => boolean): MetricsByName {
  return new Map<string, readonly Metric[]>([...metrics].map(([name, list]) => [name, list.filter(metric => keep(metric.peer))]))
}

function notEnough (needed: number, wanted: number, candidates: readonly PeerId[]): ClusterError {
  return new ClusterError('NOT_ENOUGH_PEERS', `not enough peers to allocate CID. Needed at least: ${needed}. Wanted at most: ${wanted}. Available candidates: ${candidates.length}. See logs for more info.`, { details: { candidates } })
}
