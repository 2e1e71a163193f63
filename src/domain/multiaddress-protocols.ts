import { base64url } from 'multiformats/bases/base64'
import { decodeBase58, encodeBase58 } from './base58.ts'
import { decodeBase32, encodeBase32 } from './base32.ts'
import { cidCodec, cidMultihash, decodeMultibase, parseCid } from './cid.ts'
import { errorText } from './errors.ts'
import { formatV4, formatV6, isMappedV4, parseIpAddress } from './ip-address.ts'
import { quote } from './quote.ts'

/** One protocol of the multiaddress table, as the reference knows it. */
export interface MultiaddressProtocol {
  readonly name: string
  readonly code: number
  /** Bytes of the value; 0 for none, `prefixed` when the length stands before it. */
  readonly size: number | 'prefixed'
  /** True when the value is the whole rest of the address. */
  readonly isPath: boolean
  /** The bytes, or what is wrong with the text. */
  fromText (text: string): Uint8Array | string
  toText (bytes: Uint8Array): string
  /** What is wrong with the bytes. */
  validate (bytes: Uint8Array): string | undefined
}

type Transcoder = Pick<MultiaddressProtocol, 'fromText' | 'toText' | 'validate'>

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const valid = (): undefined => undefined

const none: Transcoder = { fromText: () => new Uint8Array(), toText: () => '', validate: valid }

const ip4: Transcoder = {
  fromText (text) {
    const bytes = parseIpAddress(text)
    return bytes !== undefined && isMappedV4(bytes) ? bytes.slice(12) : `failed to parse ip4 addr: ${text}`
  },
  toText: formatV4,
  validate: valid,
}

const ip6: Transcoder = {
  fromText: (text) => parseIpAddress(text) ?? `failed to parse ip6 addr: ${text}`,
  toText: formatV6,
  validate: valid,
}

const zone: Transcoder = {
  fromText: (text) => text === '' ? 'empty ip6zone' : encoder.encode(text),
  toText: (bytes) => decoder.decode(bytes),
  validate: (bytes) => bytes.includes(0x2f) ? `IPv6 zone ID contains '/': ${decoder.decode(bytes)}` : notText(bytes),
}

const ipCidr: Transcoder = {
  fromText (text) {
    const value = parseUnsigned(text, 255n)
    return typeof value === 'string' ? value : Uint8Array.of(Number(value))
  },
  toText: (bytes) => String(bytes[0]),
  validate: valid,
}

const port: Transcoder = {
  fromText (text) {
    const value = parseUnsigned(text, 65_535n)
    return typeof value === 'string' ? `failed to parse port addr: ${value}` : Uint8Array.of(Number(value >> 8n), Number(value & 255n))
  },
  toText: (bytes) => String(((bytes[0] as number) << 8) | (bytes[1] as number)),
  validate: valid,
}

const memory: Transcoder = {
  fromText (text) {
    const value = parseUnsigned(text, 2n ** 64n - 1n)
    return typeof value === 'string' ? value : Uint8Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * (7 - i))) & 255n))
  },
  toText: (bytes) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n).toString(),
  validate: valid,
}

const dns: Transcoder = {
  fromText: (text) => text === '' ? 'empty dns addr' : encoder.encode(text),
  toText: (bytes) => decoder.decode(bytes),
  validate: (bytes) => bytes.includes(0x2f) ? `domain name ${quote(decoder.decode(bytes))} contains a slash` : notText(bytes),
}

/** Names go into JSON and back: bytes that are no text would come back as others. */
function notText (bytes: Uint8Array): string | undefined {
  return decoder.decode(bytes).includes('\ufffd') ? 'not UTF-8 text' : undefined
}

const unixPath: Transcoder = {
  fromText: (text) => encoder.encode(text),
  toText: (bytes) => decoder.decode(bytes),
  validate (bytes) {
    if (bytes.length < 2) return `byte slice too short: ${bytes.length}`
    if (bytes[0] !== 0x2f) return "path protocol must begin with '/'"
    return bytes.at(-1) === 0x2f ? "unix socket path must not end in '/'" : notText(bytes)
  },
}

const httpPath: Transcoder = {
  fromText (text) {
    const bad = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(text)
    if (bad !== null) return `invalid URL escape ${quote(bad[0])}`
    const bytes = unescapeBytes(text)
    return bytes.length === 0 ? 'empty http path is not allowed' : bytes
  },
  toText: escapeBytes,
  validate: valid,
}

function unescapeBytes (text: string): Uint8Array {
  const source = encoder.encode(text)
  const out: number[] = []
  for (let i = 0; i < source.length; i++) {
    if (source[i] === 0x25) {
      out.push(Number.parseInt(String.fromCharCode(source[i + 1] as number, source[i + 2] as number), 16))
      i += 2
    } else out.push(source[i] === 0x2b ? 0x20 : source[i] as number)
  }
  return Uint8Array.from(out)
}

function escapeBytes (bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    if (/[A-Za-z0-9_.~-]/.test(character)) out += character
    else out += byte === 0x20 ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

const peer: Transcoder = {
  fromText (text) {
    if (text.startsWith('Qm') || text.startsWith('1')) {
      const bytes = decodeBase58(text)
      const hash = bytes === undefined ? 'input isn\'t valid multihash' : readMultihash(bytes)
      return typeof hash === 'string' ? `failed to parse p2p addr: ${text} ${hash}` : bytes as Uint8Array
    }
    try {
      const cid = parseCid(text)
      const codec = cidCodec(cid)
      return codec === 0x72 ? cidMultihash(cid) : `failed to parse p2p addr: ${text} has the invalid codec ${codec}`
    } catch (error) {
      return `failed to parse p2p addr: ${text} ${errorText(error)}`
    }
  },
  toText: encodeBase58,
  validate (bytes) {
    const hash = readMultihash(bytes)
    if (typeof hash === 'string') return `invalid multihash: ${hash}`
    if (hash.code !== 0x12 && hash.code !== 0) return `invalid multihash code ${hash.code} expected sha-256 or identity`
    return hash.code === 0x12 && hash.length !== 32 ? `invalid digest length ${hash.length} for sha256 addr: expected 32` : undefined
  },
}

const certificateHash: Transcoder = {
  fromText (text) {
    const bytes = decodeMultibase(text)
    const hash = bytes === undefined ? 'selected encoding not supported' : readMultihash(bytes)
    return typeof hash === 'string' ? hash : bytes as Uint8Array
  },
  toText: (bytes) => base64url.encode(bytes),
  validate (bytes) {
    const hash = readMultihash(bytes)
    return typeof hash === 'string' ? hash : undefined
  },
}

/** Code and digest length of a multihash, or what is wrong with it. */
function readMultihash (bytes: Uint8Array): { readonly code: number, readonly length: number } | string {
  if (bytes.length < 2) return 'multihash too short. must be >= 2 bytes'
  let at = 0
  const numbers: number[] = []
  while (numbers.length < 2) {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = bytes[at++]
      if (byte === undefined || scale > 2 ** 42) return 'input isn\'t valid multihash'
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) break
    }
    numbers.push(value)
  }
  const [code, length] = numbers as [number, number]
  const actual = bytes.length - at
  if (length > actual) return 'length greater than remaining number of bytes in buffer'
  return length === actual ? { code, length } : `multihash length inconsistent: expected ${length}; got ${actual}`
}

function onion (hostBytes: number): Transcoder {
  return {
    fromText (text) {
      const [host, portText, ...more] = text.split(':')
      if (host === undefined || portText === undefined || more.length > 0) return `failed to parse onion addr: ${text} does not contain a port number`
      if (hostBytes === 35 && host.length !== 56) return `failed to parse onion addr: ${text} not a Tor onionv3 address. len == ${host.length}`
      const bytes = decodeBase32(host.toLowerCase(), 0, 'lower', 'drop')
      if (bytes === undefined) return `failed to decode base32 onion addr: ${text} illegal base32 data`
      if (bytes.length !== hostBytes) return `failed to parse onion addr: ${text} not a Tor onion address`
      const value = parseUnsigned(portText, 65_535n)
      if (typeof value === 'string') return `failed to parse onion addr: ${value}`
      return value === 0n ? 'failed to parse onion addr: non-zero port' : Uint8Array.of(...bytes, Number(value >> 8n), Number(value & 255n))
    },
    toText: (bytes) => `${encodeBase32(bytes.subarray(0, hostBytes), 'lower')}:${port.toText(bytes.subarray(hostBytes))}`,
    validate: (bytes) => bytes[hostBytes] === 0 && bytes[hostBytes + 1] === 0 ? 'invalid port 0 for onion addr' : undefined,
  }
}

const garlic64: Transcoder = {
  fromText (text) {
    if (!/^[A-Za-z0-9~-]*={0,2}$/.test(text) || text.length % 4 !== 0) return `failed to decode base64 i2p addr: ${text} illegal base64 data`
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('~', '/')), (character) => character.charCodeAt(0))
  },
  toText: (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '~'),
  validate: (bytes) => bytes.length < 386 ? `failed to validate garlic addr: not an i2p base64 address. len: ${bytes.length}` : undefined,
}

const garlic32: Transcoder = {
  fromText: (text) => decodeBase32(text.replace(/=+$/, ''), 0, 'lower') ?? `failed to decode base32 garlic addr: ${text}`,
  toText: (bytes) => encodeBase32(bytes, 'lower'),
  validate: (bytes) => bytes.length < 35 && bytes.length !== 32 ? `failed to validate garlic addr: not an i2p base32 address. len: ${bytes.length}` : undefined,
}

/** A decimal number up to `most`, or the reference's text of what is wrong. */
function parseUnsigned (text: string, most: bigint): bigint | string {
  if (!/^\d+$/.test(text)) return `strconv.ParseUint: parsing ${quote(text)}: invalid syntax`
  const value = BigInt(text)
  return value > most ? `strconv.ParseUint: parsing ${quote(text)}: value out of range` : value
}

const table: ReadonlyArray<readonly [string, number, number | 'prefixed', Transcoder]> = [
  ['ip4', 4, 4, ip4], ['tcp', 6, 2, port], ['dns', 53, 'prefixed', dns], ['dns4', 54, 'prefixed', dns], ['dns6', 55, 'prefixed', dns],
  ['dnsaddr', 56, 'prefixed', dns], ['udp', 273, 2, port], ['dccp', 33, 2, port], ['ip6', 41, 16, ip6], ['ipcidr', 43, 1, ipCidr],
  ['ip6zone', 42, 'prefixed', zone], ['sctp', 132, 2, port], ['p2p-circuit', 290, 0, none], ['onion', 444, 12, onion(10)],
  ['onion3', 445, 37, onion(35)], ['garlic64', 446, 'prefixed', garlic64], ['garlic32', 447, 'prefixed', garlic32], ['utp', 302, 0, none],
  ['udt', 301, 0, none], ['quic', 460, 0, none], ['quic-v1', 461, 0, none], ['webtransport', 465, 0, none],
  ['certhash', 466, 'prefixed', certificateHash], ['http', 480, 0, none], ['http-path', 481, 'prefixed', httpPath], ['https', 443, 0, none],
  ['p2p', 421, 'prefixed', peer], ['unix', 400, 'prefixed', unixPath], ['p2p-webrtc-direct', 276, 0, none], ['tls', 448, 0, none],
  ['sni', 449, 'prefixed', dns], ['noise', 454, 0, none], ['ws', 477, 0, none], ['wss', 478, 0, none], ['plaintextv2', 7_367_777, 0, none],
  ['webrtc-direct', 280, 0, none], ['webrtc', 281, 0, none], ['memory', 777, 8, memory],
]

const protocols = table.map(([name, code, size, transcoder]): MultiaddressProtocol => ({ name, code, size, isPath: name === 'unix', ...transcoder }))
const byCode = new Map(protocols.map((protocol) => [protocol.code, protocol]))
const byName = new Map(protocols.map((protocol) => [protocol.name, protocol]))

export function protocolByCode (code: number): MultiaddressProtocol | undefined {
  return byCode.get(code)
}

/** `ipfs` is the older name of `p2p`. */
export function protocolByName (name: string): MultiaddressProtocol | undefined {
  return byName.get(name === 'ipfs' ? 'p2p' : name)
}
