import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { TrackerStatus, type PinInfo } from '../domain/status.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { notPinned } from './pin.ts'
import { shardsOf } from './shard-lists.ts'

export interface RecoverParts {
  readonly consensus: Pick<Consensus, 'pinset'>
  readonly ipfs: Pick<IpfsConnector, 'getBlock'>
  readonly tracker: Pick<PinTracker, 'recover'>
}

/**
 * Queues again what failed or went missing of a CID on this peer, of sharded content its parts.
 * @throws ClusterError `NOT_FOUND` when it has no pin and nothing is left to be done for it; what reading a cluster DAG throws
 */
export async function recoverLocally ({ consensus, ipfs, tracker }: RecoverParts, cid: Cid, options: CallOptions): Promise<PinInfo> {
  const pin = await consensus.pinset().get(cid)
  if (pin?.type === 'meta-pin' && pin.reference !== undefined) {
    for (const part of [...await shardsOf(consensus, ipfs, pin.reference, options), pin.reference]) await tracker.recover(part, options)
  }
  const info = await tracker.recover(cid, options)
  if (info.status === TrackerStatus.unpinned) throw notPinned()
  return info
}
