import type { Consensus } from '../../consensus/consensus.ts'
import type { Cid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { isAllocatedTo, type Pin } from '../../domain/pin.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo } from '../../domain/status.ts'
import type { Clock } from '../../platform/clock.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import { peerAnswerMs } from '../peer-answer.ts'
import { within } from '../../platform/deadline.ts'
import { peerPart, toldByOthers, unpinnedEverywhere, type LastKnown } from './status-lines.ts'

/** What the status of one CID needs. */
export interface StatusParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly clock: Clock
  readonly followerMode: boolean
  readonly lastKnown: LastKnown
}

/** Asks one peer; the signal ends with the time that it has. */
export type AskPeer = (peer: PeerId, options: CallOptions) => Promise<PinInfo>

/**
 * The status of a CID on all peers: asks those that hold it at the same time, by `ask`; the others
 * are `remote`. One that does not answer is `cluster_error`, one that does not trust this peer is
 * left out (spec/components.md 1.10). In follower mode only this peer is asked.
 */
export async function statusOfAllPeers (parts: StatusParts, cid: Cid, ask: AskPeer, options: CallOptions): Promise<GlobalPinInfo> {
  const { consensus, clock, self, lastKnown } = parts
  const pin = await consensus.pinset().get(cid)
  const members = parts.followerMode ? [self] : await consensus.peers(options)
  const now = clock.now()
  if (pin === undefined) return unpinnedEverywhere(cid, members, lastKnown, now)
  const peerMap: Record<string, PeerPinStatus> = {}
  const holders = parts.followerMode ? [self] : holdersOf(pin, members)
  for (const peer of members) if (!holders.includes(peer)) peerMap[peer] = toldByOthers(lastKnown, peer, TrackerStatus.remote, now, '')
  await Promise.all(holders.map(async peer => {
    try {
      peerMap[peer] = peerPart(await within(clock, peerAnswerMs, options, limited => ask(peer, limited)))
    } catch (error) {
      options.signal?.throwIfAborted()
      if (isRefusal(error)) return
      peerMap[peer] = toldByOthers(lastKnown, peer, TrackerStatus.clusterError, now, errorText(error))
    }
  }))
  return { cid, name: pin.name, allocations: pin.allocations, origins: pin.origins, created: pin.timestamp, metadata: pin.metadata, peerMap }
}

/** True when the other peer does not take such calls from this one. */
export function isRefusal (error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'NOT_AUTHORIZED'
}

/** Those that are allocated, members or not; all members when the pin is everywhere. */
function holdersOf (pin: Pin, members: readonly PeerId[]): readonly PeerId[] {
  const allocations = pin.allocations ?? []
  if (allocations.length > 0) return allocations
  return members.filter(peer => isAllocatedTo(pin, peer))
}
