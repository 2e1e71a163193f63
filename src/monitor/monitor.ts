import type { Alert, Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Startable } from '../platform/lifecycle.ts'

/** Gathers the metrics of all peers and notices when they stop. */
export interface PeerMonitor extends Startable {
  /** Sends a metric of this peer to all peers, itself included. Invalid ones are not sent. */
  publish (metric: Metric): Promise<void>
  /** Takes a metric in. */
  record (metric: Metric): void
  /** The latest valid and unexpired metric of that name of each peer, sorted by peer ID. */
  latest (name: string): Metric[]
  latestFor (name: string, peer: PeerId): Metric | undefined
  names (): string[]
  /** Metrics that expired without successor, as they do. */
  alerts (options: { readonly signal: AbortSignal }): AsyncIterable<Alert>
}
