import type { Cid } from './cid.ts'
import type { Multiaddress, PeerId } from './peer.ts'
import { isAllocatedTo, type Pin } from './pin.ts'
import type { Time } from './time.ts'

/** Bits of a tracker status; also a filter, in which 0 matches all (spec/components.md 5.1). */
export const TrackerStatus = {
  undefined: 0,
  clusterError: 2,
  pinError: 4,
  unpinError: 8,
  pinned: 16,
  pinning: 32,
  unpinning: 64,
  unpinned: 128,
  remote: 256,
  pinQueued: 512,
  unpinQueued: 1024,
  sharded: 2048,
  unexpectedlyUnpinned: 4096,
  error: 2 | 4 | 8,
  queued: 512 | 1024,
} as const

/** One or more bits of {@link TrackerStatus}. */
export type TrackerStatus = number

const namedStatuses: ReadonlyArray<readonly [string, TrackerStatus]> = [
  ['cluster_error', 2], ['pin_error', 4], ['unpin_error', 8], ['pinned', 16], ['pinning', 32], ['unpinning', 64],
  ['unpinned', 128], ['remote', 256], ['pin_queued', 512], ['unpin_queued', 1024], ['sharded', 2048],
  ['unexpectedly_unpinned', 4096], ['undefined', 0], ['error', 14], ['queued', 1536],
]
const nameByStatus = new Map(namedStatuses.map(([name, status]) => [status, name]))
const statusByName = new Map(namedStatuses)

/** Names in the order in which the command line lists them. */
export const statusNames: readonly string[] = namedStatuses.map(([name]) => name).toSorted()

export function statusName (status: TrackerStatus): string {
  return nameByStatus.get(status) ?? 'undefined'
}

/** The status of that name, or undefined when there is none. */
export function statusFromName (name: string): TrackerStatus | undefined {
  return statusByName.get(name)
}

/**
 * A filter from comma separated names, blanks ignored; unknown names beside known ones are
 * skipped. Returns 0 for an empty text and undefined when no name is known (spec/rest-api.md 6).
 */
export function parseStatusFilter (text: string): TrackerStatus | undefined {
  const trimmed = text.replaceAll(' ', '')
  if (trimmed === '') return 0
  let filter = 0
  for (const name of trimmed.split(',')) filter |= statusByName.get(name) ?? 0
  return filter === 0 ? undefined : filter
}

export function matchesFilter (status: TrackerStatus, filter: TrackerStatus): boolean {
  return filter === 0 || (status & filter) !== 0
}

/** The status of one CID on one peer, without what all peers share. */
export interface PeerPinStatus {
  readonly peername: string
  readonly ipfsPeerId: PeerId | undefined
  readonly ipfsPeerAddresses: readonly Multiaddress[] | null
  readonly status: TrackerStatus
  readonly timestamp: Time
  readonly error: string
  readonly attemptCount: number
  readonly priorityPin: boolean
}

/** Name and IPFS node of a peer, as they stand in each of its statuses. */
export type PeerIdentity = Pick<PeerPinStatus, 'peername' | 'ipfsPeerId' | 'ipfsPeerAddresses'>

export function isSameIdentity (a: PeerIdentity, b: PeerIdentity): boolean {
  return a.peername === b.peername && a.ipfsPeerId === b.ipfsPeerId && isSameList(a.ipfsPeerAddresses, b.ipfsPeerAddresses)
}

function isSameList (a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === b) return true
  if (a === null || b === null || a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** A peer that tells statuses. */
export interface StatusTeller extends PeerIdentity { readonly peer: PeerId }

/** The status of a pin on a peer where all is as it shall be: what the pinset alone says. */
export function expectedStatus (pin: Pin, peer: PeerId): TrackerStatus {
  if (pin.type === 'meta-pin') return TrackerStatus.sharded
  return isAllocatedTo(pin, peer) ? TrackerStatus.pinned : TrackerStatus.remote
}

/** The status of one CID on one peer (RPC `PinInfo`, spec/wire.md 5.4). */
export interface PinInfo extends PeerPinStatus {
  readonly cid: Cid
  readonly name: string
  readonly peer: PeerId
  readonly allocations: readonly PeerId[] | null
  readonly origins: readonly Multiaddress[] | null
  readonly created: Time
  readonly metadata: Readonly<Record<string, string>> | null
}

/** The status of one CID on all peers (spec/rest-api.md 2.2). `peerMap` is keyed by peer ID. */
export interface GlobalPinInfo {
  readonly cid: Cid
  readonly name: string
  readonly allocations: readonly PeerId[] | null
  readonly origins: readonly Multiaddress[] | null
  readonly created: Time
  readonly metadata: Readonly<Record<string, string>> | null
  readonly peerMap: Readonly<Record<string, PeerPinStatus>>
}
