import type { PeerId } from './peer.ts'
import type { Time } from './time.ts'

/** A figure that a peer publishes about itself (spec/components.md 3). */
export interface Metric {
  readonly name: string
  readonly peer: PeerId
  readonly value: string
  /** The moment after which the metric no longer counts. */
  readonly expire: Time
  readonly valid: boolean
  /** Larger is better for the allocator. Integer within 2^53. */
  readonly weight: number
  /** Peers with equal values form one group for the allocator. */
  readonly partitionable: boolean
  /** Set by the receiver. */
  readonly receivedAt: Time
}

/** True for metrics by which our peers tell each other more than the reference knows: they are in none of its lists. */
export function isOursAlone (name: string): boolean { return name.startsWith('flotilla:') }

/** A metric that expired without a successor. */
export interface Alert extends Metric {
  readonly triggeredAt: Time
}

/** True when the metric may not be used at `now`. */
export function isDiscarded (metric: Metric, now: Time): boolean {
  return !metric.valid || metric.expire < now
}
