import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { shuffled, type Random } from '../platform/random.ts'
import type { Allocator, MetricsByName } from './allocator.ts'

/** Peers that share a value, or one peer of a metric that does not group. */
interface Partition {
  readonly value: string
  /** Sum of the members' weights in this partition's own metric. */
  weight: number
  /** {@link weight} and that of everything below. */
  aggregatedWeight: number
  readonly peers: Set<PeerId>
  children: Partition[]
  /** The child whose turn it is. */
  turn: number
}

/**
 * Spreads content over groups of peers (spec/components.md 2): peers are split by the first
 * metric, each part by the next, and so on; parts take turns, heaviest first. Peers between which
 * the metrics make no difference come in any order: were it the same each time, the first of them
 * would hold everything.
 */
export function balancedAllocator (allocateBy: readonly string[], random: Pick<Random, 'integer'>): Allocator {
  const ordered = (metrics: MetricsByName): PeerId[] => inTurn(allocateBy.map(name => byPeer(metrics.get(name) ?? [])), random)
  return {
    requiredMetrics: allocateBy,
    allocate: ({ candidates, priority }) => [...ordered(priority), ...ordered(candidates)],
  }
}

/** One metric of each peer. */
type MetricByPeer = ReadonlyMap<PeerId, Metric>

function byPeer (metrics: readonly Metric[]): MetricByPeer {
  return new Map(metrics.map(metric => [metric.peer, metric]))
}

function inTurn (levels: readonly MetricByPeer[], random: Pick<Random, 'integer'>): PeerId[] {
  const peers = new Set(shuffled(random, levels[0]?.keys() ?? []))
  const root: Partition = { value: '', weight: 0, aggregatedWeight: 0, peers, children: [], turn: 0 }
  split(root, levels)
  const order: PeerId[] = []
  for (let peer = take(root); peer !== undefined; peer = take(root)) order.push(peer)
  return order
}

/** The peers of each part stay in the order of the whole. */
function split (partition: Partition, [level, ...rest]: readonly MetricByPeer[]): void {
  if (level === undefined) return
  const byValue = new Map<string, Partition>()
  for (const peer of partition.peers) {
    const metric = level.get(peer)
    if (metric === undefined) continue
    const key = metric.partitionable ? `=${metric.value}` : `@${peer}`
    let child = byValue.get(key)
    if (child === undefined) byValue.set(key, child = { value: metric.value, weight: 0, aggregatedWeight: 0, peers: new Set(), children: [], turn: 0 })
    child.peers.add(peer)
    child.weight += metric.weight
  }
  partition.children = [...byValue.values()]
  for (const child of partition.children) {
    split(child, rest)
    child.aggregatedWeight = child.weight + child.children.reduce((sum, grandchild) => sum + grandchild.aggregatedWeight, 0)
  }
  partition.children.sort((a, b) => b.weight - a.weight || b.aggregatedWeight - a.aggregatedWeight || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
}

/** The next peer of a partition: its children take turns; the last level gives its peers in their order. */
function take (partition: Partition): PeerId | undefined {
  if (partition.children.length === 0) {
    const [peer] = partition.peers
    if (peer !== undefined) partition.peers.delete(peer)
    return peer
  }
  for (let tried = 0; tried < partition.children.length; tried++) {
    const child = partition.children[partition.turn] as Partition
    partition.turn = (partition.turn + 1) % partition.children.length
    const peer = take(child)
    if (peer !== undefined) return peer
  }
  return undefined
}

