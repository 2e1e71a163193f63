import type { PeerId } from '../domain/peer.ts'
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
 * metric, each part by the next, and so on; parts take turns, heaviest first.
 */
export function balancedAllocator (allocateBy: readonly string[]): Allocator {
  return {
    requiredMetrics: allocateBy,
    allocate: ({ candidates, priority }) => [...ordered(allocateBy, priority), ...ordered(allocateBy, candidates)],
  }
}

function ordered (allocateBy: readonly string[], metrics: MetricsByName): PeerId[] {
  const peers = new Set([...metrics.values()].flatMap(list => list.map(metric => metric.peer)))
  const root: Partition = { value: '', weight: 0, aggregatedWeight: 0, peers, children: [], turn: 0 }
  split(root, allocateBy, metrics)
  const order: PeerId[] = []
  for (let peer = take(root); peer !== undefined; peer = take(root)) order.push(peer)
  return order
}

function split (partition: Partition, allocateBy: readonly string[], metrics: MetricsByName): void {
  const [name, ...rest] = allocateBy
  if (name === undefined) return
  const byValue = new Map<string, Partition>()
  for (const metric of metrics.get(name) ?? []) {
    if (!partition.peers.has(metric.peer)) continue
    const key = metric.partitionable ? `=${metric.value}` : `@${metric.peer}`
    let child = byValue.get(key)
    if (child === undefined) byValue.set(key, child = { value: metric.value, weight: 0, aggregatedWeight: 0, peers: new Set(), children: [], turn: 0 })
    child.peers.add(metric.peer)
    child.weight += metric.weight
  }
  partition.children = [...byValue.values()]
  for (const child of partition.children) {
    split(child, rest, metrics)
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

