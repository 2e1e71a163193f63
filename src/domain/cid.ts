import * as base10 from 'multiformats/bases/base10'
import * as base16 from 'multiformats/bases/base16'
import * as base2 from 'multiformats/bases/base2'
import * as base256 from 'multiformats/bases/base256emoji'
import * as base32 from 'multiformats/bases/base32'
import * as base36 from 'multiformats/bases/base36'
import * as base58 from 'multiformats/bases/base58'
import * as base64 from 'multiformats/bases/base64'
import * as base8 from 'multiformats/bases/base8'
import { decodeBase32, encodeBase32, isBase32, type Base32Alphabet } from './base32.ts'
import { decodeBase58, encodeBase58 } from './base58.ts'
import { ClusterError } from './errors.ts'

/**
 * A content identifier in its canonical text: base58 for version 0, base32 lower case for
 * version 1 whatever base it was given in. Text, because it is a map key, a JSON value and (by
 * {@link cidKey}) a store key without any decoding. Made by {@link parseCid} and {@link cidFromBytes} only.
 */
export type Cid = string & { readonly __brand: 'Cid' }

/** Longest CID accepted, in bytes: identity hashes may carry small content. */
const maxCidBytes = 1024

interface MultibaseDecoder { readonly prefix: string, decode (text: string): Uint8Array }

const decoders = new Map<string, MultibaseDecoder>()
for (const family of [base2, base8, base10, base16, base32, base36, base58, base64, base256]) {
  for (const codec of Object.values(family) as MultibaseDecoder[]) decoders.set(codec.prefix, codec)
}

/**
 * Reads a CID in any base.
 * @throws ClusterError `INVALID_CID`; the texts are those of the reference (spec/rest-api.md 4)
 */
export function parseCid (text: string): Cid {
  if (isUsualText(text)) return text as Cid
  if (text.length < 2) throw invalid('cid too short')
  if (text.length > maxCidBytes * 8) throw invalid('cid too long')
  if (text.length === 46 && text.startsWith('Qm')) {
    const bytes = decodeBase58(text)
    if (bytes === undefined) throw invalid('input isn\'t valid multihash')
    return cidFromBytes(bytes)
  }
  if (text.charCodeAt(0) === 98 /* b */) {
    const bytes = decodeBase32(text, 1, 'lower')
    if (bytes === undefined) return parseLooseBase32(text)
    return cidFromBytes(bytes, text)
  }
  const decoder = decoders.get(String.fromCodePoint(text.codePointAt(0) ?? 0))
  if (decoder === undefined) throw invalid('selected encoding not supported')
  let bytes: Uint8Array
  try {
    bytes = decoder.decode(text)
  } catch {
    throw invalid(`illegal ${JSON.stringify(text.slice(0, 1))} multibase data`)
  }
  return cidFromBytes(bytes)
}

/**
 * True for what nearly every text is: version 1 of raw, dag-pb or dag-cbor content by its sha2-256, in
 * canonical base32. The digit behind the seven characters begins with two bits of the header, which are 0.
 */
function isUsualText (text: string): boolean {
  return text.length === 59 && (text.startsWith('bafkrei') || text.startsWith('bafybei') || text.startsWith('bafyrei')) &&
    text.charCodeAt(7) >= 97 /* a */ && text.charCodeAt(7) <= 104 /* h */ && isBase32(text, 1)
}

/** The reference takes text with bits behind the last byte; what comes out is canonical. */
function parseLooseBase32 (text: string): Cid {
  const bytes = decodeBase32(text, 1, 'lower', 'drop')
  if (bytes !== undefined) return cidFromBytes(bytes)
  throw invalid(`illegal base32 data at input byte ${text.slice(1).search(/[^a-z2-7]/)}`)
}

/** The bytes of text in any base, by the base's prefix; undefined when it is not in one. */
export function decodeMultibase (text: string): Uint8Array | undefined {
  try {
    return decoders.get(String.fromCodePoint(text.codePointAt(0) ?? 0))?.decode(text)
  } catch {
    return undefined
  }
}

/** True when the text is a CID. */
export function isCid (text: string): boolean {
  try {
    parseCid(text)
    return true
  } catch {
    return false
  }
}

/**
 * The CID with these bytes: a bare sha2-256 multihash is version 0.
 * @param text its canonical text if it is version 1 and the text is at hand
 * @throws ClusterError `INVALID_CID`
 */
export function cidFromBytes (bytes: Uint8Array, text?: string): Cid {
  if (bytes.length > 2 && bytes[0] === 0x12 && bytes[1] === 0x20) {
    if (bytes.length < 34) throw invalidBytes('not enough bytes for cid v0')
    if (bytes.length > 34) throw invalid('trailing bytes in data buffer passed to cid Cast')
    return encodeBase58(bytes) as Cid
  }
  checkVersion1(bytes)
  return (text ?? `b${encodeBase32(bytes, 'lower')}`) as Cid
}

/** The binary CID: the multihash alone for version 0. */
export function cidToBytes (cid: Cid): Uint8Array {
  if (cid.charCodeAt(0) === 98) return decodeBase32(cid, 1, 'lower') as Uint8Array
  return decodeBase58(cid) as Uint8Array
}

export function cidVersion (cid: Cid): 0 | 1 {
  return cid.charCodeAt(0) === 98 ? 1 : 0
}

/** The multihash bytes of a CID. */
export function cidMultihash (cid: Cid): Uint8Array {
  const bytes = cidToBytes(cid)
  if (cidVersion(cid) === 0) return bytes
  return bytes.subarray(readVarint(bytes, readVarint(bytes, 0).next).next)
}

/** The multicodec of the content: 0x70 (dag-pb) for version 0. */
export function cidCodec (cid: Cid): number {
  if (cidVersion(cid) === 0) return 0x70
  const bytes = cidToBytes(cid)
  return readVarint(bytes, readVarint(bytes, 0).next).value
}

/** The store key of a CID, without the leading slash: base32 upper case of its bytes (spec/wire.md 6.4). */
export function cidKey (cid: Cid): string {
  if (cid.charCodeAt(0) === 98) return cid.slice(1).toUpperCase()
  return encodeBase32(cidToBytes(cid), 'upper')
}

/** The CID of a store key made by {@link cidKey}, or undefined when it is none. */
export function cidFromKey (key: string): Cid | undefined {
  if (!key.startsWith('CIQ')) return `b${key.toLowerCase()}` as Cid
  const bytes = decodeBase32(key, 0, 'upper' satisfies Base32Alphabet)
  return bytes === undefined ? undefined : cidFromBytes(bytes)
}

/** Order of the pinset: that of the store's keys, the same on all peers. */
export function compareCids (a: Cid, b: Cid): number {
  if (a === b) return 0
  return cidKey(a) < cidKey(b) ? -1 : 1
}

function checkVersion1 (bytes: Uint8Array): void {
  if (bytes.length > maxCidBytes) throw invalid('cid too long')
  const version = readVarint(bytes, 0)
  if (version.value !== 1) throw invalidBytes(`expected 1 as the cid version number, got: ${version.value}`)
  const codec = readVarint(bytes, version.next)
  if (bytes.length - codec.next < 2) throw invalidBytes('multihash too short. must be >= 2 bytes')
  const hash = readVarint(bytes, codec.next)
  const length = readVarint(bytes, hash.next)
  const rest = bytes.length - length.next
  if (rest < length.value) throw invalidBytes('length greater than remaining number of bytes in buffer')
  if (rest > length.value) throw invalid('trailing bytes in data buffer passed to cid Cast')
}

function readVarint (bytes: Uint8Array, at: number): { value: number, next: number } {
  let value = 0
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) throw invalidBytes('varints malformed, could not reach the end')
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte >= 0x80) continue
    if (byte === 0 && i > 0) throw invalidBytes('varint not minimally encoded')
    return { value, next: at + i + 1 }
  }
  throw invalidBytes('varints larger than uint63 not supported')
}

/** The reference names the kind of error twice when it lies behind the text. */
function invalidBytes (reason: string): ClusterError {
  return invalid(`invalid cid: ${reason}`)
}

function invalid (reason: string): ClusterError {
  return new ClusterError('INVALID_CID', `invalid cid: ${reason}`)
}
