import type { Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { CallOptions, Startable } from '../platform/lifecycle.ts'
import type { StateStore } from '../state/state-store.ts'

/** One change of the pinset, in the order in which this peer's state took it. */
export interface PinsetChange {
  /** Grows by one with each change; kept over restarts. */
  readonly sequence: number
  readonly cid: Cid
  /** The pin as it now stands; undefined when it was removed. */
  readonly pin: Pin | undefined
}

/**
 * The changes of the pinset as a log with one reader's cursor. The cursor is on disk: after a
 * restart the reader goes on where it had acknowledged.
 */
export interface ChangeLog {
  /** Changes after the acknowledged ones, first the stored, then live ones, in batches; ends with the signal. */
  read (options: { readonly signal: AbortSignal }): AsyncIterable<PinsetChange[]>
  /** All changes up to `sequence` need not be read again. Cheap: written to disk later. */
  acknowledge (sequence: number): void
}

/** Agreement of the peers on the pinset. */
export interface Consensus extends Startable {
  readonly kind: 'crdt' | 'raft' | 'single'
  /** Resolves when the state may be read and written. */
  ready (options: CallOptions): Promise<void>
  /** Resolves when the pin is durable here (spec/deviations.md 18). */
  logPin (pin: Pin, options?: CallOptions): Promise<void>
  /** Resolves when the removal is durable here. */
  logUnpin (pin: Pin, options?: CallOptions): Promise<void>
  pinset (): StateStore
  changes (): ChangeLog
  /** Members, this peer included, sorted. */
  peers (options: CallOptions): Promise<PeerId[]>
  addPeer (peer: PeerId, options: CallOptions): Promise<void>
  /** @throws ClusterError `UNSUPPORTED` where the consensus cannot */
  removePeer (peer: PeerId, options: CallOptions): Promise<void>
  leader (): PeerId | undefined
  isTrusted (peer: PeerId): boolean
  trust (peer: PeerId): void
  distrust (peer: PeerId): void
}
