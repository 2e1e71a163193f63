import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import type { SentBlock } from './message.ts'

/** Hash functions of the blocks that a cluster exchanges, by multihash code. */
const algorithms = new Map([[0x12, 'sha256'], [0x13, 'sha512']])

/** Blocks are known by their multihash, whatever the version and codec of the CID. */
export function blockKey (cid: CID): string { return Buffer.from(cid.multihash.bytes).toString('latin1') }

/** Like {@link blockKey} of the CID with these bytes; undefined when they are none. */
export function blockKeyOfBytes (cid: Uint8Array): string | undefined {
  try {
    return blockKey(CID.decode(cid))
  } catch {
    return undefined
  }
}

/** The key of a block that came, by what it holds; undefined when its hash function is not known. */
export function keyOfSentBlock ({ prefix, data }: SentBlock): string | undefined {
  // Version, codec and hash function are below 128 in all that we ask for: one byte each.
  const [version, , hashCode = 0, digestLength = 0] = prefix
  const algorithm = algorithms.get(hashCode)
  if (prefix.length !== 4 || (version !== 0 && version !== 1) || algorithm === undefined) return undefined
  const digest = createHash(algorithm).update(data).digest()
  if (digest.length !== digestLength) return undefined
  return `${String.fromCharCode(hashCode, digestLength)}${digest.toString('latin1')}`
}

/** True when a block with this CID can be recognised when it comes. */
export function canCheck (cid: CID): boolean { return algorithms.has(cid.multihash.code) && cid.code < 0x80 }

export function prefixOf (cid: CID): Uint8Array {
  return Uint8Array.of(cid.version, ...varint(cid.code), ...varint(cid.multihash.code), ...varint(cid.multihash.digest.length))
}

function varint (value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return [...bytes, rest]
}
