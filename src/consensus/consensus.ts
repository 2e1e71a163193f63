import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { CallOptions, Startable } from '../platform/lifecycle.ts'
import type { ChangeLog } from '../state/changes.ts'
import type { StateStore } from '../state/state-store.ts'

export type { ChangeLog, PinsetChange } from '../state/changes.ts'

export interface UnpinOptions extends CallOptions {
  /** No user asks for it, as when a pin has expired: it is refused while another change of the CID is on its way. */
  readonly yieldsToOthers?: boolean
}

/** Agreement of the peers on the pinset. */
export interface Consensus extends Startable {
  readonly kind: 'crdt' | 'raft' | 'single'
  /** Resolves when the state may be read and written. */
  ready (options: CallOptions): Promise<void>
  /** Resolves when the pin is durable here (spec/deviations.md 18). */
  logPin (pin: Pin, options?: CallOptions): Promise<void>
  /**
   * Gives a pin other holders, which is no user's wish: without effect when the pin is gone or is
   * another one than `observed` by then, and it does not stand against a removal that knows nothing
   * of it. Resolves when it is durable here.
   */
  logMove (observed: Pin, pin: Pin, options?: CallOptions): Promise<void>
  /**
   * Resolves when the removal is durable here.
   * @throws ClusterError `NOT_FOUND` where it yields and the pin is another one than this, or soon will be
   */
  logUnpin (pin: Pin, options?: UnpinOptions): Promise<void>
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
