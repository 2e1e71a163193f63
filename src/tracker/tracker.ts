import type { Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'
import type { PeerIdentity, PinInfo, TrackerStatus } from '../domain/status.ts'
import type { CallOptions, Startable } from '../platform/lifecycle.ts'

/** A status and what it follows from; `info` and `pin` may be made when they are asked for. */
export interface ListedStatus {
  readonly cid: Cid
  readonly info: PinInfo
  /** Undefined for an operation on what is not in the pinset. */
  readonly pin: Pin | undefined
  /** The pin as it is stored, where that is known. */
  readonly value: Uint8Array | undefined
  /** True when `infoOfPin` makes the same of the pin and its expected status. */
  readonly isExpected: boolean
  /** This peer, as it stands in the status. */
  readonly identity: PeerIdentity
}

export interface RecoverAllOptions extends CallOptions {
  /** Lets few wait at once and goes on as they are done, however long that takes: for whoever waits for no answer. */
  readonly waitsForRoom?: boolean
}

/** Makes the IPFS node hold what the pinset says, and knows how far it is. */
export interface PinTracker extends Startable {
  status (cid: Cid, options?: CallOptions): Promise<PinInfo>
  /**
   * The status of every pin and of every operation that matches, in the order of `compareCids`.
   * When the IPFS node cannot be asked, the pins are listed with `cluster_error` and the
   * iteration ends by throwing (spec/deviations.md 4).
   */
  statusAll (filter: TrackerStatus, options?: CallOptions): AsyncIterable<PinInfo[]>
  /** All of {@link statusAll}, with the pins. */
  listed (options?: CallOptions): AsyncIterable<ListedStatus[]>
  /** Queues again what failed or went missing; answers the status after. */
  recover (cid: Cid, options?: CallOptions): Promise<PinInfo>
  /**
   * As {@link recover} for everything; only those it acted on.
   * @throws ClusterError `QUEUE_FULL` behind those that could be queued, unless it waits for room
   */
  recoverAll (options?: RecoverAllOptions): AsyncIterable<PinInfo>
  /** Pins waiting for their turn. */
  queueSize (): number
}
