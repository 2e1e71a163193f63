import type { Configuration } from '../config/configuration.ts'
import type { Identity } from '../config/identity.ts'
import type { Multiaddress } from '../domain/peer.ts'
import type { Loggers } from '../platform/logger.ts'

/** What a peer is started with. Command line flags are in the configuration already. */
export interface DaemonOptions {
  readonly configuration: Configuration
  readonly identity: Identity
  /** Peers to join, one after the other, once this one runs; a failure is only logged. */
  readonly bootstrap: readonly Multiaddress[]
  readonly loggers: Loggers
  /** Aborted when the peer shall stop, also in the middle of its start. */
  readonly signal: AbortSignal
  /** Called once, when the peer has an answer of its IPFS node and does all its work. */
  readonly onReady?: (() => void) | undefined
}

/** A peer whose parts have started: its APIs answer. */
export interface RunningDaemon {
  /** Resolves when the peer has stopped, by the signal or by itself; rejects when it could not stop in order. */
  readonly stopped: Promise<void>
}

/**
 * Starts a peer. Rejects with what kept it from starting and holds nothing any more then; the
 * `doing` in the details of a ClusterError says what was done ("creating REST API component").
 */
export type RunDaemon = (options: DaemonOptions) => Promise<RunningDaemon>
