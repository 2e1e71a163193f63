import type { PeerId } from '../domain/peer.ts'
import { peerIdFromBytes, peerIdToBytes } from '../domain/peer-id.ts'

/**
 * The peers of a cluster are few and stand in every pin: their base58 text is computed once.
 * Bounded, because peer IDs also come from outside; at the bound all are forgotten, which costs a
 * few microseconds each to learn again.
 */
const maxCachedPeers = 1024

interface CachedPeer { readonly bytes: Uint8Array, readonly text: PeerId, readonly json: Uint8Array }

const byHash = new Map<number, CachedPeer>()
const bytesByText = new Map<PeerId, Uint8Array>()

/**
 * The text of a binary peer ID.
 * @throws ClusterError `INVALID_PEER_ID`
 */
export function peerIdText (bytes: Uint8Array): PeerId {
  const cached = byHash.get(hashOf(bytes, 0, bytes.length))
  if (cached !== undefined && isSame(cached.bytes, bytes, 0, bytes.length)) return cached.text
  return learn(bytes, 0, bytes.length).text
}

/**
 * The text of a binary peer ID that is a part of `bytes`, in double quotes: ready for JSON, shared,
 * not to be changed. Undefined when it is no peer ID.
 */
export function peerIdJsonAt (bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  const cached = byHash.get(hashOf(bytes, start, end))
  if (cached !== undefined && isSame(cached.bytes, bytes, start, end)) return cached.json
  try {
    return learn(bytes, start, end).json
  } catch {
    return undefined
  }
}

/** A peer ID in double quotes as bytes, ready for JSON; shared, not to be changed. */
export function peerIdJson (peer: PeerId): Uint8Array {
  const bytes = peerIdBytes(peer)
  return peerIdJsonAt(bytes, 0, bytes.length) as Uint8Array
}

function learn (bytes: Uint8Array, start: number, end: number): CachedPeer {
  const own = bytes.slice(start, end)
  const text = peerIdFromBytes(own)
  const peer = { bytes: own, text, json: new TextEncoder().encode(`"${text}"`) }
  if (byHash.size >= maxCachedPeers) byHash.clear()
  byHash.set(hashOf(own, 0, own.length), peer)
  return peer
}

/** The binary form of a peer ID; shared, not to be changed. */
export function peerIdBytes (peer: PeerId): Uint8Array {
  const cached = bytesByText.get(peer)
  if (cached !== undefined) return cached
  const bytes = peerIdToBytes(peer)
  if (bytesByText.size >= maxCachedPeers) bytesByText.clear()
  bytesByText.set(peer, bytes)
  return bytes
}

/** Four bytes from the middle of the key: enough to tell the peers of a cluster apart. */
function hashOf (bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 20) return end - start
  return ((bytes[start + 12] as number) << 24) | ((bytes[start + 15] as number) << 16) | ((bytes[start + 17] as number) << 8) | (bytes[end - 1] as number)
}

function isSame (cached: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (cached.length !== end - start) return false
  for (let i = 0; i < cached.length; i++) {
    if (cached[i] !== bytes[start + i]) return false
  }
  return true
}
