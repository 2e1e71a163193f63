import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { isAllocatedTo, type Pin } from '../domain/pin.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo } from '../domain/status.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Clock } from '../platform/clock.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { PinTracker } from '../tracker/tracker.ts'

/** What a status of the whole cluster needs. */
export interface StatusParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly tracker: PinTracker
  readonly calls: PeerCalls
  readonly clock: Clock
  readonly followerMode: boolean
  /** Name and IPFS node of a peer as its last ping told. */
  readonly lastKnown: (peer: PeerId) => Pick<PeerPinStatus, 'peername' | 'ipfsPeerId' | 'ipfsPeerAddresses'>
}

/** The status of one CID as this peer alone knows it. */
export function globalOf (info: PinInfo): GlobalPinInfo {
  const { cid, name, allocations, origins, created, metadata } = info
  return { cid, name, allocations, origins, created, metadata, peerMap: { [info.peer]: peerPart(info) } }
}

function peerPart (info: PinInfo): PeerPinStatus {
  const { peername, ipfsPeerId, ipfsPeerAddresses, status, timestamp, error, attemptCount, priorityPin } = info
  return { peername, ipfsPeerId, ipfsPeerAddresses, status, timestamp, error, attemptCount, priorityPin }
}

/** Asks every peer that holds the pin, by `ask`; the others are `remote` (spec/components.md 1.10). */
export async function statusOfAllPeers (parts: StatusParts, cid: Cid, ask: (peer: PeerId) => Promise<PinInfo>, options: CallOptions): Promise<GlobalPinInfo> {
  const { consensus, clock, self } = parts
  const pin = await consensus.pinset().get(cid)
  const members = parts.followerMode ? [self] : await consensus.peers(options)
  const now = clock.now()
  const peerMap: Record<string, PeerPinStatus> = {}
  const say = (peer: PeerId, status: TrackerStatus, error: string): void => {
    peerMap[peer] = { ...parts.lastKnown(peer), status, timestamp: now, error, attemptCount: 0, priorityPin: false }
  }
  if (pin === undefined) {
    for (const peer of members) say(peer, TrackerStatus.unpinned, '')
    return { cid, name: '', allocations: [], origins: null, created: now, metadata: null, peerMap }
  }
  const holders = holdersOf(pin, members, parts)
  for (const peer of members) if (!holders.includes(peer)) say(peer, TrackerStatus.remote, '')
  await Promise.all(holders.map(async peer => {
    try {
      peerMap[peer] = peerPart(await ask(peer))
    } catch (error) {
      say(peer, TrackerStatus.clusterError, errorText(error))
    }
  }))
  return { cid, name: pin.name, allocations: pin.allocations, origins: pin.origins, created: pin.timestamp, metadata: pin.metadata, peerMap }
}

function holdersOf (pin: Pin, members: readonly PeerId[], parts: StatusParts): readonly PeerId[] {
  if (parts.followerMode) return [parts.self]
  const allocations = pin.allocations ?? []
  if (allocations.length > 0) return allocations
  return members.filter(peer => isAllocatedTo(pin, peer))
}
