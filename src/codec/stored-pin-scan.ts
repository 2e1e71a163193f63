import { pinTypes } from '../domain/pin.ts'
import { TrackerStatus } from '../domain/status.ts'
import { peerIdJsonAt } from './peer-id-cache.ts'

/** Numbers of the protobuf fields with their wire types (spec/wire.md 6.5). */
const tag = { cid: 10, type: 16, allocation: 26, maxDepth: 32, options: 50, timestamp: 56 } as const
const optionTag = { factorMin: 8, factorMax: 16, name: 26, shardSize: 32, expireAt: 64, entry: 82 } as const

/** More than fits a usual pin is left to the general decoder. */
const maxAllocations = 64
const maxEntries = 64
/** Seconds that the usual pin may carry: 9999-12-31. */
const maxSeconds = 253_402_300_799
const metaPin = pinTypes.indexOf('meta-pin')

/** 1 for the ASCII characters that stand in JSON as they are. */
const plain = new Uint8Array(256)
for (let code = 0x20; code < 0x7f; code++) plain[code] = '"\\<>&'.includes(String.fromCharCode(code)) ? 0 : 1

/**
 * Finds the parts of a stored pin of the usual shape without making anything of them: fields in the
 * order in which every writer puts them, a sha2-256 CID, plain ASCII texts, no update, origins or
 * reference. One instance is used over and over.
 */
export class StoredPinScan {
  cidStart = 0
  cidEnd = 0
  type = 0
  /** `"12D3…"` of each holder. */
  readonly allocationJson: Uint8Array[] = []
  allocations = 0
  maxDepth = 0
  factorMin = 0
  factorMax = 0
  nameStart = 0
  nameEnd = 0
  shardSize = 0
  expireAtSeconds = 0
  entries = 0
  timestampSeconds = 0
  private readonly entryBounds: Array<readonly [number, number, number, number]> = []
  private bytes = new Uint8Array()
  private at = 0
  private end = 0
  private failed = false

  /** False when the pin is not of the usual shape; the fields then mean nothing. */
  read (bytes: Uint8Array): boolean {
    this.bytes = bytes as Uint8Array<ArrayBuffer>
    this.at = 0
    this.end = bytes.length
    this.failed = false
    return this.readCid() && this.readHead() && this.readOptions() && this.readTail() && !this.failed
  }

  /** Bounds of the key and of the value of a metadata entry. */
  entryAt (index: number): readonly [keyStart: number, keyEnd: number, valueStart: number, valueEnd: number] {
    return this.entryBounds[index] as readonly [number, number, number, number]
  }

  /**
   * As `expectedStatus` of the pin.
   * @param peerJson as `peerIdJsonAt` gives it
   */
  expectedStatus (peerJson: Uint8Array): TrackerStatus {
    if (this.type === metaPin) return TrackerStatus.sharded
    if (this.allocations === 0 || (this.factorMin === -1 && this.factorMax === -1)) return TrackerStatus.pinned
    for (let i = 0; i < this.allocations; i++) {
      const holder = this.allocationJson[i] as Uint8Array
      if (holder === peerJson || Buffer.compare(holder, peerJson) === 0) return TrackerStatus.pinned
    }
    return TrackerStatus.remote
  }

  private readCid (): boolean {
    const { bytes } = this
    if (bytes[0] !== tag.cid) return false
    const length = bytes[1]
    this.cidStart = 2
    if (length === 36) {
      if (bytes[2] !== 1 || (bytes[3] as number) > 0x7f || bytes[4] !== 0x12 || bytes[5] !== 0x20) return false
    } else if (length !== 34 || bytes[2] !== 0x12 || bytes[3] !== 0x20) return false
    this.at = this.cidEnd = 2 + length
    return this.at <= this.end
  }

  private readHead (): boolean {
    this.type = this.take(tag.type) ? this.varint() : 0
    this.allocations = 0
    while (this.take(tag.allocation)) {
      const length = this.varint()
      if (this.allocations === maxAllocations || length > this.end - this.at) return false
      const json = peerIdJsonAt(this.bytes, this.at, this.at + length)
      if (json === undefined) return false
      this.allocationJson[this.allocations++] = json
      this.at += length
    }
    this.maxDepth = this.take(tag.maxDepth) ? zigzag(this.varint()) : 0
    return this.type <= 4
  }

  private readOptions (): boolean {
    if (!this.take(tag.options)) return false
    const length = this.varint()
    const outerEnd = this.end
    if (length > outerEnd - this.at) return false
    this.end = this.at + length
    this.factorMin = this.take(optionTag.factorMin) ? zigzag(this.varint()) : 0
    this.factorMax = this.take(optionTag.factorMax) ? zigzag(this.varint()) : 0
    this.nameStart = this.nameEnd = this.at
    if (this.take(optionTag.name) && !this.readName()) return false
    this.shardSize = this.take(optionTag.shardSize) ? this.varint() : 0
    this.expireAtSeconds = this.take(optionTag.expireAt) ? this.varint() : 0
    if (this.expireAtSeconds > maxSeconds || !this.readEntries()) return false
    const complete = this.at === this.end
    this.end = outerEnd
    return complete
  }

  private readName (): boolean {
    const length = this.varint()
    this.nameStart = this.at
    this.nameEnd = this.at + length
    return this.passPlain(length)
  }

  private readEntries (): boolean {
    this.entries = 0
    while (this.take(optionTag.entry)) {
      const length = this.varint()
      const entryEnd = this.at + length
      if (this.entries === maxEntries || entryEnd > this.end || !this.take(10)) return false
      const keyLength = this.varint()
      const keyStart = this.at
      if (keyLength === 0 || !this.passPlain(keyLength) || !this.take(18)) return false
      const valueLength = this.varint()
      const valueStart = this.at
      if (!this.passPlain(valueLength) || this.at !== entryEnd) return false
      if (this.entries > 0 && !this.isAfterLastKey(keyStart, keyStart + keyLength)) return false
      this.entryBounds[this.entries++] = [keyStart, keyStart + keyLength, valueStart, this.at]
    }
    return true
  }

  /** Keys must ascend, so that they come out sorted and none twice. */
  private isAfterLastKey (start: number, end: number): boolean {
    const [lastStart, lastEnd] = this.entryAt(this.entries - 1)
    for (let i = 0; ; i++) {
      if (lastStart + i === lastEnd) return start + i < end
      if (start + i === end) return false
      const difference = (this.bytes[start + i] as number) - (this.bytes[lastStart + i] as number)
      if (difference !== 0) return difference > 0
    }
  }

  private readTail (): boolean {
    this.timestampSeconds = this.take(tag.timestamp) ? this.varint() : 0
    return this.at === this.end && this.timestampSeconds <= maxSeconds
  }

  /** Passes the tag if it is the next byte. */
  private take (tag: number): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== tag) return false
    this.at++
    return true
  }

  /** An unsigned number of at most 49 bits; anything else is unusual. */
  private varint (): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 7 && this.at < this.end; i++) {
      const byte = this.bytes[this.at++] as number
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    this.failed = true
    return 0
  }

  private passPlain (length: number): boolean {
    if (length > this.end - this.at) return false
    for (const end = this.at + length; this.at < end; this.at++) {
      if (plain[this.bytes[this.at] as number] === 0) return false
    }
    return true
  }
}

function zigzag (value: number): number {
  const low = value % 4_294_967_296
  return low % 2 === 0 ? low / 2 : -(low + 1) / 2
}
