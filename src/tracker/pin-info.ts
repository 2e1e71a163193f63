import type { Cid } from '../domain/cid.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { PeerIdentity, PinInfo, TrackerStatus } from '../domain/status.ts'
import type { Time } from '../domain/time.ts'
import type { Operation } from './operation.ts'

/** The IPFS node of this peer, as last seen. */
export interface IpfsIdentity {
  readonly ipfsPeerId: PeerId | undefined
  readonly ipfsPeerAddresses: readonly Multiaddress[] | null
}

/** Who tells a status. */
export interface Teller {
  readonly self: PeerId
  readonly identity: () => PeerIdentity
}

export const unexpectedlyUnpinnedText = 'the item should be pinned but it is not'

/** The status of a pin without an operation: its time is that of the pin. */
export function infoOfPin (pin: Pin, status: TrackerStatus, error: string, peer: PeerId, { peername, ipfsPeerId, ipfsPeerAddresses }: PeerIdentity): PinInfo {
  return {
    cid: pin.cid,
    name: pin.name,
    peer,
    allocations: pin.allocations,
    origins: pin.origins,
    created: pin.timestamp,
    metadata: pin.metadata,
    peername,
    ipfsPeerId,
    ipfsPeerAddresses,
    status,
    timestamp: pin.timestamp,
    error,
    attemptCount: 0,
    priorityPin: false,
  }
}

/** The status of an operation; without its pin when the pinset no longer has it. */
export function infoOfOperation (operation: Operation, pin: Pin | undefined, timestamp: Time, peer: PeerId, { peername, ipfsPeerId, ipfsPeerAddresses }: PeerIdentity): PinInfo {
  return {
    cid: operation.cid,
    name: pin?.name ?? '',
    peer,
    allocations: pin === undefined ? [] : pin.allocations,
    origins: pin === undefined ? null : pin.origins,
    created: pin?.timestamp ?? timestamp,
    metadata: pin === undefined ? null : pin.metadata,
    peername,
    ipfsPeerId,
    ipfsPeerAddresses,
    status: operation.status,
    timestamp,
    error: operation.detail?.error ?? '',
    attemptCount: operation.attempts,
    priorityPin: operation.isPriority,
  }
}

/** The status of a CID that is not in the pinset and that nothing is done about, or of which nothing is known but `error`. */
export function infoOfCid (cid: Cid, status: TrackerStatus, error: string, now: Time, teller: Teller): PinInfo {
  const { peername, ipfsPeerId, ipfsPeerAddresses } = teller.identity()
  return {
    cid,
    name: '',
    peer: teller.self,
    allocations: null,
    origins: null,
    created: 0,
    metadata: null,
    peername,
    ipfsPeerId,
    ipfsPeerAddresses,
    status,
    timestamp: now,
    error,
    attemptCount: 0,
    priorityPin: false,
  }
}
