import type { Cid } from '../domain/cid.ts'
import type { PinInfo, TrackerStatus } from '../domain/status.ts'
import type { CallOptions, Startable } from '../platform/lifecycle.ts'

/** Makes the IPFS node hold what the pinset says, and knows how far it is. */
export interface PinTracker extends Startable {
  status (cid: Cid, options?: CallOptions): Promise<PinInfo>
  /**
   * The status of every pin and of every operation that matches, in the order of `compareCids`.
   * When the IPFS node cannot be asked, the pins are listed with `cluster_error` and the
   * iteration ends by throwing (spec/deviations.md 4).
   */
  statusAll (filter: TrackerStatus, options?: CallOptions): AsyncIterable<PinInfo[]>
  /** Queues again what failed or went missing; answers the status after. */
  recover (cid: Cid, options?: CallOptions): Promise<PinInfo>
  /** As {@link recover} for everything; only those it acted on. */
  recoverAll (options?: CallOptions): AsyncIterable<PinInfo>
  /** Pins waiting for their turn. */
  queueSize (): number
}
