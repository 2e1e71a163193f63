import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import { statusName, TrackerStatus, type GlobalPinInfo } from '../domain/status.ts'
import type { Client } from './client.ts'

export interface WaitOptions {
  readonly cid: Cid
  readonly target: TrackerStatus
  /** How many peers have to reach it; 0 or less for all. */
  readonly limit: number
  /** Waits between two questions; rejects when `signal` is aborted. */
  readonly pause: (signal: AbortSignal | undefined) => Promise<void>
  readonly signal?: AbortSignal | undefined
  /** Hears of every status, also of the last one. */
  readonly onStatus?: ((status: GlobalPinInfo) => void) | undefined
}

/**
 * Asks for the status of a CID until enough peers have reached the target, beginning with a pause.
 * @throws ClusterError `IPFS_ANSWER` when a peer is in an error status; ApiError
 */
export async function waitForStatus (client: Client, { cid, target, limit, pause, signal, onStatus }: WaitOptions): Promise<GlobalPinInfo> {
  for (;;) {
    await pause(signal)
    const status = await client.status(cid, false, { signal })
    onStatus?.(status)
    if (isReached(status, target, limit)) return status
  }
}

const failed: readonly TrackerStatus[] = [TrackerStatus.undefined, TrackerStatus.clusterError, TrackerStatus.pinError, TrackerStatus.unpinError]

function isReached ({ peerMap }: GlobalPinInfo, target: TrackerStatus, limit: number): boolean {
  const statuses = Object.values(peerMap).map(({ status }) => status)
  if (statuses.some(status => failed.includes(status))) {
    throw new ClusterError('IPFS_ANSWER', `error has occurred while attempting to reach status: ${statusName(target)}`)
  }
  const wanted = Math.min(limit, statuses.length)
  if (wanted > 0) return statuses.filter(status => status === target).length >= wanted
  return statuses.every(status => status === target || (status === TrackerStatus.remote && target === TrackerStatus.pinned))
}
