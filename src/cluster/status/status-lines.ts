import type { Cid } from '../../domain/cid.ts'
import type { PeerId } from '../../domain/peer.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerIdentity, type PeerPinStatus, type PinInfo } from '../../domain/status.ts'
import type { Time } from '../../domain/time.ts'

/** Name and IPFS node of a peer as its last ping told. */
export type LastKnown = (peer: PeerId) => PeerIdentity

/** The status of one CID as one peer alone knows it. */
export function globalOf (info: PinInfo): GlobalPinInfo {
  return globalWith(info, { [info.peer]: peerPart(info) })
}

/** What `info` says of the pin, with the statuses of many peers. */
export function globalWith (info: PinInfo, peerMap: Record<string, PeerPinStatus>): GlobalPinInfo {
  const { cid, name, allocations, origins, created, metadata } = info
  return { cid, name, allocations, origins, created, metadata, peerMap }
}

/** Characters of an error that are told on: far above what any node or peer has to say of one pin. */
const maxErrorText = 8_192

/** What of `info` is about its peer. */
export function peerPart (info: PinInfo): PeerPinStatus {
  const { peername, ipfsPeerId, ipfsPeerAddresses, status, timestamp, attemptCount, priorityPin } = info
  const error = info.error.length > maxErrorText ? `${info.error.slice(0, maxErrorText)}…` : info.error
  return { peername, ipfsPeerId, ipfsPeerAddresses, status, timestamp, error, attemptCount, priorityPin }
}

/** A status that the peer itself did not tell. */
export function toldByOthers (lastKnown: LastKnown, peer: PeerId, status: TrackerStatus, timestamp: Time, error: string): PeerPinStatus {
  return { ...lastKnown(peer), status, timestamp, error, attemptCount: 0, priorityPin: false }
}

/** A CID that is in no pinset, as all peers see it. */
export function unpinnedEverywhere (cid: Cid, peers: readonly PeerId[], lastKnown: LastKnown, now: Time): GlobalPinInfo {
  const peerMap = Object.fromEntries(peers.map(peer => [peer, toldByOthers(lastKnown, peer, TrackerStatus.unpinned, now, '')]))
  return { cid, name: '', allocations: [], origins: null, created: now, metadata: null, peerMap }
}
