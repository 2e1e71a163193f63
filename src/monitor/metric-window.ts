import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Time } from '../domain/time.ts'
import type { PeerPresence } from './monitor.ts'

/** Metrics come from anybody who has the secret, so all of this is bounded. */
export interface WindowBounds {
  /** Ten times the largest clusters known. */
  readonly peers: number
  /** A peer has five and one per tag. */
  readonly namesOfPeer: number
  /** Of names and values, with what keeping each costs: a ping with all addresses of an IPFS node has a few KiB. */
  readonly bytesOfPeer: number
  readonly bytes: number
}

const defaultBounds: WindowBounds = { peers: 10_000, namesOfPeer: 64, bytesOfPeer: 96 * 1024, bytes: 64 * 1024 * 1024 }
/** What a kept metric takes besides name and value, about. */
const overheadBytes = 500
/** The full window is not searched for a place again within this time, in milliseconds: a flood is not to cost more. */
const searchAgainMs = 1_000

/** How often a metric comes. */
export interface Rhythm {
  /** When the first one came, or its peer connected, by the monotonic clock. */
  readonly firstAt: number
  /** The longest of the recent times between two arrivals of a peer that was alive, in milliseconds; 0 before the second. */
  readonly interval: number
  /** The time since the one before it, in milliseconds, when that had expired meanwhile; 0 otherwise. */
  readonly absence: number
}

/** The latest metric of one name and peer. Moments are of the monotonic clock. */
export interface KeptMetric extends Rhythm {
  metric: Metric
  /** When its sender, by its own clock, said that it expires; -Infinity when it did not come from its peer. */
  signedExpire: Time
  /** Of the message that it came with, where that is known. */
  sequence: bigint | undefined
  /** The metric counts up to here. */
  deadline: number
  arrivedAt: number
  /** It may live longer than to the deadline, by what its peer says. */
  isDoubted: boolean
  /** Rounds of the failure detector since the deadline. */
  roundsExpired: number
}

/** How a metric is kept; `now` of the monotonic clock. */
export interface Placement {
  readonly signedExpire: Time
  readonly sequence: bigint | undefined
  readonly lifeMs: number
  /** Without one that of the metric before stays. */
  readonly rhythm?: Rhythm
  /** The metric may live longer than is believed: nobody knows yet how often its peer sends it. */
  readonly isDoubted?: boolean
  readonly now: number
  readonly isPreferred: (peer: PeerId) => boolean
}

interface PeerMetrics {
  bytes: number
  readonly byName: Map<string, KeptMetric>
}

/** The latest metric of each peer by name. */
export class MetricWindow {
  readonly #bounds: WindowBounds
  readonly #peers = new Map<PeerId, PeerMetrics>()
  readonly #names = new Map<string, Map<PeerId, KeptMetric>>()
  #bytes = 0
  #searchAt = 0

  constructor (bounds: Partial<WindowBounds> = {}) { this.#bounds = { ...defaultBounds, ...bounds } }

  /**
   * Keeps a metric for `lifeMs`. When the window is full a peer whose metrics have all expired
   * gives way, or one for which `isPreferred` is false to one for which it is true.
   * False: there is no room.
   */
  put (metric: Metric, { signedExpire, sequence, lifeMs, rhythm, isDoubted = false, now, isPreferred }: Placement): boolean {
    const kept = this.#peers.get(metric.peer)?.byName.get(metric.name)
    const growth = sizeOf(metric) - (kept === undefined ? 0 : sizeOf(kept.metric))
    if (!this.#hasRoom(metric, growth, now, isPreferred)) return false
    this.#bytes += growth
    const ofPeer = entryOf(this.#peers, metric.peer, () => ({ bytes: 0, byName: new Map() }))
    ofPeer.bytes += growth
    const deadline = now + lifeMs
    if (kept !== undefined) {
      Object.assign(kept, { metric, signedExpire, sequence, deadline, arrivedAt: now, isDoubted, roundsExpired: 0 }, rhythm)
      return true
    }
    const added: KeptMetric = { metric, signedExpire, sequence, deadline, arrivedAt: now, isDoubted, roundsExpired: 0, ...rhythm ?? { firstAt: now, interval: 0, absence: 0 } }
    ofPeer.byName.set(metric.name, added)
    entryOf(this.#names, metric.name, () => new Map<PeerId, KeptMetric>()).set(metric.peer, added)
    return true
  }

  /** What the peer tells from now on may come in another rhythm: it may have started again, with other settings. */
  beginAnew (peer: PeerId, now: number): void {
    for (const kept of this.#peers.get(peer)?.byName.values() ?? []) Object.assign(kept, { firstAt: now })
  }

  get (name: string, peer: PeerId): KeptMetric | undefined { return this.#peers.get(peer)?.byName.get(name) }

  /** Valid and unexpired ones, sorted by peer. */
  latest (name: string, now: number): Metric[] {
    const found: Metric[] = []
    for (const { metric, deadline } of this.#names.get(name)?.values() ?? []) if (metric.valid && deadline >= now) found.push(metric)
    return found.toSorted((a, b) => a.peer < b.peer ? -1 : 1)
  }

  presences (name: string, now: number): PeerPresence[] {
    const found: PeerPresence[] = []
    for (const [peer, { arrivedAt, deadline }] of this.#names.get(name) ?? []) found.push({ peer, silentMs: now - arrivedAt, expiredMs: Math.max(0, now - deadline) })
    return found
  }

  names (): string[] { return [...this.#names.keys()] }

  * all (): Generator<KeptMetric> {
    for (const { byName } of this.#peers.values()) yield * byName.values()
  }

  remove (name: string, peer: PeerId): void {
    const ofPeer = this.#peers.get(peer)
    const kept = ofPeer?.byName.get(name)
    if (ofPeer === undefined || kept === undefined) return
    ofPeer.byName.delete(name)
    ofPeer.bytes -= sizeOf(kept.metric)
    this.#bytes -= sizeOf(kept.metric)
    if (ofPeer.byName.size === 0) this.#peers.delete(peer)
    const ofName = this.#names.get(name)
    ofName?.delete(peer)
    if (ofName?.size === 0) this.#names.delete(name)
  }

  #hasRoom (metric: Metric, growth: number, now: number, isPreferred: (peer: PeerId) => boolean): boolean {
    const ofPeer = this.#peers.get(metric.peer)
    const isNewName = ofPeer?.byName.has(metric.name) !== true
    if (isNewName && (ofPeer?.byName.size ?? 0) >= this.#bounds.namesOfPeer) return false
    if ((ofPeer?.bytes ?? 0) + growth > this.#bounds.bytesOfPeer) return false
    const isFull = (): boolean => (ofPeer === undefined && this.#peers.size >= this.#bounds.peers) || this.#bytes + growth > this.#bounds.bytes
    if (!isFull()) return true
    if (now < this.#searchAt) return false
    this.#searchAt = now + searchAgainMs
    for (const peer of this.#lessWanted(metric.peer, now, isPreferred)) {
      if (!isFull()) break
      for (const name of this.#peers.get(peer)?.byName.keys() ?? []) this.remove(name, peer)
    }
    return !isFull()
  }

  /** Peers that may go for one that comes: all that are dead, longest first, or else those that are less preferred. */
  #lessWanted (coming: PeerId, now: number, isPreferred: (peer: PeerId) => boolean): PeerId[] {
    const others = [...this.#peers].filter(([peer]) => peer !== coming).map(([peer, { byName }]) => ({ peer, deadline: Math.max(...[...byName.values()].map(kept => kept.deadline)) }))
    const dead = others.filter(({ deadline }) => deadline < now).toSorted((a, b) => a.deadline - b.deadline)
    if (dead.length > 0) return dead.map(({ peer }) => peer)
    return isPreferred(coming) ? others.map(({ peer }) => peer).filter(peer => !isPreferred(peer)) : []
  }
}

function sizeOf (metric: Metric): number { return overheadBytes + metric.name.length + metric.value.length }

function entryOf<K, V> (map: Map<K, V>, key: K, make: () => V): V {
  let found = map.get(key)
  if (found === undefined) map.set(key, found = make())
  return found
}
