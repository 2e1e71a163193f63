import type { Multiaddress } from '../../domain/peer.ts'
import type { Deadline } from './exchange.ts'

/** The section `ipfs_connector.ipfshttp` (spec/config.md 11), times in milliseconds, 0 for no limit. */
export interface KuboConnectorOptions {
  readonly nodeMultiaddress: Multiaddress
  /** For ordinary requests; for streams of any length, how long the node may be silent. */
  readonly ipfsRequestTimeoutMs: number
  /** A pin without progress for so long has stalled. */
  readonly pinTimeoutMs: number
  readonly unpinTimeoutMs: number
  readonly repogcTimeoutMs: number
  /** Each n-th start and end of a pin, end of an upload and of a collection calls `sendMetrics`; 0: none does. */
  readonly informerTriggerInterval: number
  readonly unpinDisable: boolean
  /** A batch of pins without progress for so long is given up (default 2 s): what is left is to be pinned one by one. */
  readonly batchStallMs?: number
  /** A batch of pins is given up after so long whatever its progress (default 10 s): a large DAG must not hold up the rest. */
  readonly batchTimeMs?: number
  /** Sends this peer's metrics now. */
  readonly sendMetrics?: () => void
}

export function requestDeadline (options: KuboConnectorOptions): Deadline {
  return { ms: options.ipfsRequestTimeoutMs, option: 'ipfs_request_timeout' }
}

/** For streams: as long as something comes there is no hurry. */
export function silenceDeadline (options: KuboConnectorOptions): Deadline {
  return { ...requestDeadline(options), isForSilence: true }
}
