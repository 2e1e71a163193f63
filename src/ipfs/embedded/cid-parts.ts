import { ClusterError } from '../../domain/errors.ts'

/** The codecs of blocks (https://github.com/multiformats/multicodec) that this node knows. */
export const codecs = { cbor: 0x51, raw: 0x55, dagPb: 0x70, dagCbor: 0x71, libp2pKey: 0x72, dagJson: 0x0129, json: 0x0200 } as const

export const identityHash = 0x00

/** A binary CID taken apart; all views share its bytes. */
export interface CidParts {
  readonly codec: number
  readonly multihash: Uint8Array
  readonly hashCode: number
  readonly digest: Uint8Array
}

/**
 * Takes a binary CID apart.
 * @throws ClusterError `INVALID_CID`
 */
export function cidParts (bytes: Uint8Array): CidParts {
  if (bytes.length === 34 && bytes[0] === 0x12 && bytes[1] === 0x20) return { codec: codecs.dagPb, multihash: bytes, hashCode: 0x12, digest: bytes.subarray(2) }
  const version = part(bytes, 0)
  const codec = part(bytes, version.next)
  const hash = part(bytes, codec.next)
  const length = part(bytes, hash.next)
  if (version.value !== 1 || bytes.length - length.next !== length.value) throw noCid()
  return { codec: codec.value, multihash: bytes.subarray(codec.next), hashCode: hash.value, digest: bytes.subarray(length.next) }
}

function part (bytes: Uint8Array, at: number): { value: number, next: number } {
  const read = readVarint(bytes, at)
  if (read === undefined) throw noCid()
  return read
}

function noCid (): ClusterError { return new ClusterError('INVALID_CID', 'invalid cid: the bytes are no CID') }

/** The key of a block in the store: its multihash, whatever codec it is read with. */
export function blockKey (multihash: Uint8Array): string {
  return Buffer.from(multihash.buffer, multihash.byteOffset, multihash.byteLength).toString('base64url')
}

/** The multihash of a {@link blockKey}. */
export function multihashOfKey (key: string): Uint8Array { return Buffer.from(key, 'base64url') }

/**
 * The number that begins at `at`, or undefined when there is none. Numbers stay within 2^49; with ten bytes they
 * are those of protobuf, as near as a double comes to them.
 */
export function readVarint (bytes: Uint8Array, at: number, maxBytes = 7): { value: number, next: number } | undefined {
  let value = 0
  for (let i = 0; i < maxBytes; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, next: at + i + 1 }
  }
  return undefined
}
