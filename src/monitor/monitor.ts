import type { Alert, Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Startable } from '../platform/lifecycle.ts'

/** How long ago a peer gave a sign of life, by this peer's monotonic clock. */
export interface PeerPresence {
  readonly peer: PeerId
  /** Since its last metric of the name arrived, in milliseconds. */
  readonly silentMs: number
  /** Since that metric expired, in milliseconds; 0 while it counts. */
  readonly expiredMs: number
}

/** Gathers the metrics of all peers and notices when they stop. */
export interface PeerMonitor extends Startable {
  /** Sends a metric of this peer to all peers, itself included. Invalid ones are not sent. */
  publish (metric: Metric): Promise<void>
  /** Takes a metric in that this peer vouches for; where one of its peer counts, that counts for as long at least. */
  record (metric: Metric): void
  /** The latest valid and unexpired metric of that name of each peer, sorted by peer ID. */
  latest (name: string): Metric[]
  /** The latest one, also when it has expired. */
  latestFor (name: string, peer: PeerId): Metric | undefined
  /** True while the latest metric of that name of the peer is valid and has not expired. */
  hears (name: string, peer: PeerId): boolean
  /** True when the latest metric of that name of the peer came from itself and counts as long as it says, also when it has expired. */
  hasTold (name: string, peer: PeerId): boolean
  names (): string[]
  /** Every peer of which a metric of that name is known, dead ones too until they are forgotten. */
  presences (name: string): PeerPresence[]
  /** Metrics that expired without successor, as they do. For one reader. */
  alerts (options: { readonly signal: AbortSignal }): AsyncIterable<Alert>
}
