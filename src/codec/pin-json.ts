import { pinTypes } from '../domain/pin.ts'
import { PinMessage } from './messages.ts'
import { StoredPinScan } from './stored-pin-scan.ts'
import { copy, copyText, keeper, segment, writeAllocations, writeCid, writeMetadata, writeText, writeTime } from './stored-pin-text.ts'
import { zeroTimeText } from './time.ts'

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
  return writeText(slowly(bytes), target, at)
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
  at = writeCid(scan, bytes, target, at)
  at = writeHolders(target, at)
  at = writeTime(scan.timestampSeconds, target, at)
  target[at] = 0x22
  target[at + 1] = 0x7d
  return at + 2
}

/** What stands between the name and the CID; one segment for the pin without expiry and metadata. */
function writeOptions (bytes: Uint8Array, target: Uint8Array, at: number): number {
  if (scan.expireAtSeconds === 0 && scan.entries === 0) return copy(plainOptions(scan.maxDepth, scan.shardSize), target, at)
  at = copy(modeAndSize(scan.maxDepth, scan.shardSize), target, at)
  at = writeTime(scan.expireAtSeconds, target, at)
  at = copy(beforeMetadata, target, at)
  at = writeMetadata(scan, bytes, target, at)
  return copy(beforeCid, target, at)
}

/** What stands between the CID and the timestamp; one segment for the pin without holders. */
function writeHolders (target: Uint8Array, at: number): number {
  if (scan.allocations === 0) return copy(noHolders(scan.type, scan.maxDepth), target, at)
  at = writeAllocations(scan, target, copy(beforeHolders(scan.type, 0), target, at))
  return copy(behindHolders(scan.maxDepth, 0), target, at)
}

const modeAndSizeText = (depth: number, size: number): string => `","mode":"${depth === 0 ? 'direct' : 'recursive'}","shard_size":${size},"user_allocations":null,"expire_at":"`
const beforeMetadataText = '","metadata":'
const beforeCidText = ',"pin_update":null,"origins":[],"cid":"'
const beforeHoldersText = (type: number): string => `","type":"${pinTypes[type]}","allocations":[`
const behindHoldersText = (depth: number): string => `],"max_depth":${depth},"reference":null,"timestamp":"`

const factors = keeper((min, max) => `{"replication_factor_min":${min},"replication_factor_max":${max},"name":"`)
const modeAndSize = keeper(modeAndSizeText)
const plainOptions = keeper((depth, size) => `${modeAndSizeText(depth, size)}${zeroTimeText}${beforeMetadataText}null${beforeCidText}`)
const beforeMetadata = segment(beforeMetadataText)
const beforeCid = segment(beforeCidText)
const beforeHolders = keeper(beforeHoldersText)
const behindHolders = keeper(behindHoldersText)
const noHolders = keeper((type, depth) => beforeHoldersText(type) + behindHoldersText(depth))
