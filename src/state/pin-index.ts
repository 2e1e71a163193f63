import { cidFromKey, cidKey, type Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'

/*
 * Keys beside the pins by which some of them are found without looking at all: by who holds them,
 * by when they expire, and cluster DAGs. They hold no value. `0` follows `/` in the order of keys.
 */
const allocatedPrefix = '/flotilla/allocated/'
const expiryPrefix = '/flotilla/expires/'
const clusterDagPrefix = '/flotilla/clusterdags/'
/** Room for every number of seconds that a pin can carry. */
const secondsDigits = 16

export const allocatedRange = { gte: allocatedPrefix, lt: '/flotilla/allocated0' }
export const expiryRange = { gte: expiryPrefix, lt: '/flotilla/expires0' }
export const clusterDagRange = { gte: clusterDagPrefix, lt: '/flotilla/clusterdags0', prefixLength: clusterDagPrefix.length }

/** Keys of the pins that a peer holds; the part behind the bound `gt` is the CID's key. */
export function heldRange (peer: PeerId, after: Cid | undefined): { readonly gt: string, readonly lt: string, readonly prefixLength: number } {
  const prefix = `${allocatedPrefix}${peer}/`
  return { gt: after === undefined ? prefix : prefix + cidKey(after), lt: `${allocatedPrefix}${peer}0`, prefixLength: prefix.length }
}

/** The holder in a key of {@link allocatedRange}, and the bound behind all of its keys. */
export function holderOf (key: string): { readonly peer: PeerId, readonly next: string } {
  const peer = key.slice(allocatedPrefix.length, key.lastIndexOf('/')) as PeerId
  return { peer, next: `${allocatedPrefix}${peer}0` }
}

/** Keys of the pins that have expired before `now`. */
export function expiredRange (now: Time): { readonly gte: string, readonly lt: string } {
  return { gte: expiryPrefix, lt: expiryPrefix + digits(Math.ceil(now / 1_000)) }
}

export function expiredCid (key: string): Cid | undefined {
  return cidFromKey(key.slice(expiryPrefix.length + secondsDigits + 1))
}

/** All keys that a pin has in the indexes; none for most pins. */
export function indexKeys (pin: Pin | undefined): string[] {
  if (pin === undefined) return []
  const allocations = pin.allocations ?? []
  if (allocations.length === 0 && pin.expireAt <= 0 && pin.type !== 'clusterdag-pin') return []
  const key = cidKey(pin.cid)
  const keys = allocations.map(peer => `${allocatedPrefix}${peer}/${key}`)
  // As stored: whole seconds.
  if (pin.expireAt > 0) keys.push(`${expiryPrefix}${digits(Math.floor(pin.expireAt / 1_000))}/${key}`)
  if (pin.type === 'clusterdag-pin') keys.push(clusterDagPrefix + key)
  return keys
}

function digits (seconds: number): string { return String(seconds).padStart(secondsDigits, '0') }
