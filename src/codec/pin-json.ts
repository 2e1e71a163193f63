import { writeBase32 } from '../domain/base32.ts'
import { writeBase58 } from '../domain/base58.ts'
import { assert } from '../domain/errors.ts'
import { pinTypes } from '../domain/pin.ts'
import { PinMessage } from './messages.ts'
import { StoredPinScan } from './stored-pin-scan.ts'
import { formatTime, zeroTimeText } from './time.ts'

/**
 * The REST JSON of a pin, straight from its stored protobuf: listing a pinset this way costs a
 * fraction of making a `Pin` of every entry. Always equal to `encodeJson(decodeProtobuf(bytes))`,
 * which does the work for the rare pin that is not of the usual shape.
 * @throws ClusterError `INVALID_WIRE_DATA`
 */
export function pinJsonFromProtobuf (bytes: Uint8Array): string {
  const room = roomForPinJson(bytes)
  const target = room <= scratch.length ? scratch : Buffer.allocUnsafe(room)
  const end = writeUsualPin(bytes, target, 0)
  return end === unusual ? slowly(bytes) : target.toString('latin1', 0, end)
}

const scratch = Buffer.allocUnsafeSlow(16 * 1024)
const encoder = new TextEncoder()

/** Most bytes that the JSON of this pin can take: the worst is an address of `/p2p-webrtc-direct` parts, 18 letters for two bytes. */
export function roomForPinJson (bytes: Uint8Array): number {
  return 1024 + bytes.length * 10
}

/**
 * Writes that JSON as UTF-8 into `target` from `at` on and returns its end. The caller sees to it
 * that there is room for {@link roomForPinJson} bytes.
 * @throws ClusterError `INVALID_WIRE_DATA`
 */
export function writePinJson (bytes: Uint8Array, target: Uint8Array, at: number): number {
  const end = writeUsualPin(bytes, target, at)
  if (end !== unusual) return end
  const json = slowly(bytes)
  const { read, written } = encoder.encodeInto(json, target.subarray(at))
  assert(read === json.length, 'there is room for the JSON of a pin')
  return at + written
}

function slowly (bytes: Uint8Array): string {
  return PinMessage.encodeJson(PinMessage.decodeProtobuf(bytes))
}

const unusual = -1
const scan = new StoredPinScan()

function writeUsualPin (bytes: Uint8Array, target: Uint8Array, start: number): number {
  if (!scan.read(bytes)) return unusual
  let at = copy(factors(scan.factorMin, scan.factorMax), target, start)
  at = copyText(bytes, scan.nameStart, scan.nameEnd, target, at)
  at = writeOptions(bytes, target, at)
  at = writeCid(bytes, target, at)
  at = writeHolders(target, at)
  at = writeTime(scan.timestampSeconds, target, at)
  target[at] = 0x22
  target[at + 1] = 0x7d
  return at + 2
}

const comma = 0x2c

/** What stands between the name and the CID; one segment for the pin without expiry and metadata. */
function writeOptions (bytes: Uint8Array, target: Uint8Array, at: number): number {
  if (scan.expireAtSeconds === 0 && scan.entries === 0) return copy(plainOptions(scan.maxDepth, scan.shardSize), target, at)
  at = copy(modeAndSize(scan.maxDepth, scan.shardSize), target, at)
  at = writeTime(scan.expireAtSeconds, target, at)
  at = copy(beforeMetadata, target, at)
  at = writeMetadata(bytes, target, at)
  return copy(beforeCid, target, at)
}

/** What stands between the CID and the timestamp; one segment for the pin without holders. */
function writeHolders (target: Uint8Array, at: number): number {
  if (scan.allocations === 0) return copy(noHolders(scan.type, scan.maxDepth), target, at)
  at = copy(beforeHolders(scan.type, 0), target, at)
  for (let i = 0; i < scan.allocations; i++) {
    if (i > 0) target[at++] = comma
    at = copy(scan.allocationJson[i] as Uint8Array, target, at)
  }
  return copy(behindHolders(scan.maxDepth, 0), target, at)
}

/** Segments that depend on few numbers are kept; real pinsets have a handful of each. */
const maxKeptSegments = 256

function keeper (make: (a: number, b: number) => string): (a: number, b: number) => Uint8Array {
  const kept = new Map<string, Uint8Array>()
  let last: Uint8Array = new Uint8Array()
  let lastA = NaN
  let lastB = NaN
  return (a, b) => {
    if (a === lastA && b === lastB) return last
    const key = `${a},${b}`
    let segment = kept.get(key)
    if (segment === undefined) {
      segment = encoder.encode(make(a, b))
      if (kept.size >= maxKeptSegments) kept.clear()
      kept.set(key, segment)
    }
    last = segment
    lastA = a
    lastB = b
    return segment
  }
}

const modeAndSizeText = (depth: number, size: number): string => `","mode":"${depth === 0 ? 'direct' : 'recursive'}","shard_size":${size},"user_allocations":null,"expire_at":"`
const beforeMetadataText = '","metadata":'
const beforeCidText = ',"pin_update":null,"origins":[],"cid":"'
const beforeHoldersText = (type: number): string => `","type":"${pinTypes[type]}","allocations":[`
const behindHoldersText = (depth: number): string => `],"max_depth":${depth},"reference":null,"timestamp":"`

const factors = keeper((min, max) => `{"replication_factor_min":${min},"replication_factor_max":${max},"name":"`)
const modeAndSize = keeper(modeAndSizeText)
const plainOptions = keeper((depth, size) => `${modeAndSizeText(depth, size)}${zeroTimeText}${beforeMetadataText}null${beforeCidText}`)
const beforeMetadata = encoder.encode(beforeMetadataText)
const beforeCid = encoder.encode(beforeCidText)
const beforeHolders = keeper(beforeHoldersText)
const behindHolders = keeper(behindHoldersText)
const noHolders = keeper((type, depth) => beforeHoldersText(type) + behindHoldersText(depth))
const zeroTime = encoder.encode(zeroTimeText)
/** The first moment of a day is unset on the very first. */
const dayStart = keeper((day) => `${formatTime(day * 86_400_000 + 1).slice(0, 10)}T`)

function copy (segment: Uint8Array, target: Uint8Array, at: number): number {
  target.set(segment, at)
  return at + segment.length
}

/** Bytes that {@link StoredPinScan} found to need no escape. */
function copyText (bytes: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  for (let i = start; i < end; i++) target[at++] = bytes[i] as number
  return at
}

const nullWord = encoder.encode('null')
const betweenKeyAndValue = encoder.encode('":"')

function writeMetadata (bytes: Uint8Array, target: Uint8Array, at: number): number {
  if (scan.entries === 0) return copy(nullWord, target, at)
  for (let i = 0; i < scan.entries; i++) {
    const [keyStart, keyEnd, valueStart, valueEnd] = scan.entryAt(i)
    target[at++] = i === 0 ? 0x7b : comma
    target[at++] = 0x22
    at = copyText(bytes, keyStart, keyEnd, target, at)
    at = copy(betweenKeyAndValue, target, at)
    at = copyText(bytes, valueStart, valueEnd, target, at)
    target[at++] = 0x22
  }
  target[at++] = 0x7d
  return at
}

function writeCid (bytes: Uint8Array, target: Uint8Array, at: number): number {
  if (scan.cidEnd - scan.cidStart === 34) return writeBase58(bytes, scan.cidStart, scan.cidEnd, target, at)
  target[at++] = 0x62
  return writeBase32(bytes, scan.cidStart, scan.cidEnd, 'lower', target, at)
}

function writeTime (seconds: number, target: Uint8Array, at: number): number {
  if (seconds === 0) return copy(zeroTime, target, at)
  const day = Math.floor(seconds / 86_400)
  const rest = seconds - day * 86_400
  const hour = (rest / 3600) | 0
  const minute = (rest / 60 | 0) - hour * 60
  at = copy(dayStart(day, 0), target, at)
  at = writeTwo(hour, target, at)
  target[at++] = 0x3a
  at = writeTwo(minute, target, at)
  target[at++] = 0x3a
  at = writeTwo(rest % 60, target, at)
  target[at++] = 0x5a
  return at
}

function writeTwo (number: number, target: Uint8Array, at: number): number {
  const tens = (number / 10) | 0
  target[at] = 0x30 + tens
  target[at + 1] = 0x30 + number - tens * 10
  return at + 2
}
