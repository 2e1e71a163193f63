import { multiaddressFromBytes, multiaddressToBytes } from '../domain/multiaddress.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { quoteJson } from './json.ts'

/**
 * Every status of a pin carries the addresses of its peer's IPFS node, and those of a cluster are
 * few: their forms are computed once. Bounded, because origins of pins come from outside; at the
 * bound all are forgotten, which costs some microseconds each to learn again.
 */
const maxCached = 4096

interface Cached { readonly bytes: Uint8Array, readonly text: Multiaddress, readonly json: string }

const byHash = new Map<number, Cached>()
const byText = new Map<string, Cached>()

/**
 * The multiaddress with these bytes.
 * @throws ClusterError `INVALID_MULTIADDRESS`
 */
export function multiaddressText (bytes: Uint8Array): Multiaddress {
  const hash = hashOf(bytes)
  const cached = byHash.get(hash)
  if (cached !== undefined && isSame(cached.bytes, bytes)) return cached.text
  const text = multiaddressFromBytes(bytes)
  keep(hash, bytes.slice(), text)
  return text
}

/** The binary form; shared, not to be changed. */
export function multiaddressBytes (text: Multiaddress): Uint8Array {
  const cached = byText.get(text)
  if (cached !== undefined) return cached.bytes
  const bytes = multiaddressToBytes(text)
  keep(hashOf(bytes), bytes, text)
  return bytes
}

/** The JSON string. */
export function multiaddressJson (text: Multiaddress): string { return byText.get(text)?.json ?? quoteJson(text) }

function keep (hash: number, bytes: Uint8Array, text: Multiaddress): void {
  if (byText.size >= maxCached) {
    byHash.clear()
    byText.clear()
  }
  const cached = { bytes, text, json: quoteJson(text) }
  byHash.set(hash, cached)
  byText.set(text, cached)
}

/** FNV-1a over all bytes: addresses of one peer differ in a port at their beginning. */
function hashOf (bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return hash
}

function isSame (a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
