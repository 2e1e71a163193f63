import type { Time } from '../domain/time.ts'
import { invalidData } from './json.ts'
import { joinTime, splitTime } from './time.ts'

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Deepest nesting accepted: the deepest message of the contract has five levels. */
export const maxMsgpackDepth = 32

/**
 * Reads every form of msgpack. Counts are checked against the bytes that are left before anything is
 * allocated, and nesting is bounded, so that bytes from outside cannot cost more than their own size.
 */
export class MsgpackReader {
  readonly bytes: Uint8Array
  private readonly view: DataView
  at = 0
  private depth = 0

  constructor (bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done (): boolean {
    return this.at >= this.bytes.length
  }

  /** True when the next value is a map. */
  get isMapNext (): boolean {
    const code = this.bytes[this.at] ?? 0
    return (code & 0xf0) === 0x80 || code === 0xde || code === 0xdf
  }

  /** True, and the value passed, when the next value is nil. */
  takeNil (): boolean {
    if (this.bytes[this.at] !== 0xc0) return false
    this.at++
    return true
  }

  /** True, and the value passed, when the next value has exactly these bytes. */
  takeValue (encoded: Uint8Array): boolean {
    for (let i = 0; i < encoded.length; i++) {
      if (this.bytes[this.at + i] !== encoded[i]) return false
    }
    this.at += encoded.length
    return true
  }

  boolean (): boolean {
    const code = this.code()
    if (code === 0xc2 || code === 0xc3) return code === 0xc3
    throw this.wrong('a boolean', code)
  }

  /** A whole number; beyond 2^53 the nearest that a double holds. */
  integer (): number {
    const code = this.bytes[this.at]
    if (code !== undefined && code < 0x80) {
      this.at++
      return code
    }
    return Number(this.wholeNumber())
  }

  /** A whole number of up to 64 bits, exactly. */
  wholeNumber (): number | bigint {
    const code = this.code()
    if (code < 0x80) return code
    if (code >= 0xe0) return code - 256
    switch (code) {
      case 0xcc: return this.view.getUint8(this.skipBytes(1))
      case 0xcd: return this.view.getUint16(this.skipBytes(2))
      case 0xce: return this.view.getUint32(this.skipBytes(4))
      case 0xcf: return this.view.getBigUint64(this.skipBytes(8))
      case 0xd0: return this.view.getInt8(this.skipBytes(1))
      case 0xd1: return this.view.getInt16(this.skipBytes(2))
      case 0xd2: return this.view.getInt32(this.skipBytes(4))
      case 0xd3: return this.view.getBigInt64(this.skipBytes(8))
      default: throw this.wrong('a whole number', code)
    }
  }

  /** A number, whole or not. */
  float (): number {
    const code = this.bytes[this.at]
    if (code === 0xca) {
      this.at++
      return this.view.getFloat32(this.skipBytes(4))
    }
    if (code === 0xcb) {
      this.at++
      return this.view.getFloat64(this.skipBytes(8))
    }
    return this.integer()
  }

  /** The bytes of a raw, str or bin value: a view, not a copy. */
  raw (): Uint8Array {
    const length = this.rawLength(this.code())
    const start = this.skipBytes(length)
    return this.bytes.subarray(start, start + length)
  }

  /** Text; bytes that are not UTF-8 become U+FFFD. */
  text (): string {
    const length = this.rawLength(this.code())
    const start = this.skipBytes(length)
    return length < 24 ? this.shortText(start, start + length) : decoder.decode(this.bytes.subarray(start, start + length))
  }

  /** The native decoder is slower than this for the names and words of messages. */
  private shortText (start: number, end: number): string {
    let text = ''
    for (let at = start; at < end; at++) {
      const byte = this.bytes[at] as number
      if (byte > 0x7f) return decoder.decode(this.bytes.subarray(start, end))
      text += String.fromCharCode(byte)
    }
    return text
  }

  /** A moment: nil, raw bytes of a timestamp, or the timestamp extension. */
  time (): Time {
    if (this.takeNil()) return 0
    const code = this.code()
    const length = isExtension(code) ? this.extensionLength(code, -1) : this.rawLength(code)
    const start = this.skipBytes(length)
    if (length === 4) return checkedTime(this.view.getUint32(start), 0)
    if (length === 8) {
      const value = this.view.getBigUint64(start)
      return checkedTime(Number(value & 0x3_ffff_ffffn), Number(value >> 34n))
    }
    if (length === 12) return checkedTime(Number(this.view.getBigInt64(start + 4)), this.view.getUint32(start))
    throw invalidData(`msgpack time of ${length} bytes`)
  }

  /** Number of entries of a map; a nil map has none. Call {@link leave} after the last. */
  enterMap (): number {
    const code = this.code()
    if (code === 0xc0) return this.enter(0, 2)
    if ((code & 0xf0) === 0x80) return this.enter(code & 15, 2)
    if (code === 0xde) return this.enter(this.view.getUint16(this.skipBytes(2)), 2)
    if (code === 0xdf) return this.enter(this.view.getUint32(this.skipBytes(4)), 2)
    throw this.wrong('a map', code)
  }

  /** Number of elements of an array; a nil array has none. Call {@link leave} after the last. */
  enterArray (): number {
    const code = this.code()
    if (code === 0xc0) return this.enter(0, 1)
    if ((code & 0xf0) === 0x90) return this.enter(code & 15, 1)
    if (code === 0xdc) return this.enter(this.view.getUint16(this.skipBytes(2)), 1)
    if (code === 0xdd) return this.enter(this.view.getUint32(this.skipBytes(4)), 1)
    throw this.wrong('an array', code)
  }

  leave (): void {
    this.depth--
  }

  /** Steps over one value of any kind. */
  skip (): void {
    let pending = 1
    const open: number[] = []
    while (pending > 0 || open.length > 0) {
      if (pending === 0) {
        pending = open.pop() as number
        continue
      }
      pending--
      const inner = this.skipOne()
      if (inner > 0) {
        if (open.length + this.depth >= maxMsgpackDepth) throw invalidData('msgpack is nested too deeply')
        open.push(pending)
        pending = inner
      }
    }
  }

  /** Steps over a value without what it contains; returns how many values it contains. */
  private skipOne (): number {
    const code = this.bytes[this.at]
    if (code === undefined) throw this.ends()
    if (code >= 0x80 && code <= 0x9f || code >= 0xdc && code <= 0xdf) {
      const isMap = code < 0x90 || code >= 0xde
      const count = isMap ? this.enterMap() * 2 : this.enterArray()
      this.leave()
      return count
    }
    this.at++
    if (code < 0x80 || code >= 0xe0 || code === 0xc0 || code === 0xc2 || code === 0xc3) return 0
    if (isExtension(code)) this.skipBytes(this.extensionLength(code))
    else this.skipBytes(fixedSizes[code] ?? this.rawLength(code))
    return 0
  }

  private enter (count: number, valuesEach: number): number {
    if (count * valuesEach > this.bytes.length - this.at) throw this.ends()
    if (++this.depth > maxMsgpackDepth) throw invalidData('msgpack is nested too deeply')
    return count
  }

  private rawLength (code: number): number {
    if ((code & 0xe0) === 0xa0) return code & 31
    switch (code) {
      case 0xc0: return 0
      case 0xc4: case 0xd9: return this.view.getUint8(this.skipBytes(1))
      case 0xc5: case 0xda: return this.view.getUint16(this.skipBytes(2))
      case 0xc6: case 0xdb: return this.view.getUint32(this.skipBytes(4))
      default: throw this.wrong('text or bytes', code)
    }
  }

  /** Length of an extension's data, its type byte passed and compared when one is wanted. */
  private extensionLength (code: number, type?: number): number {
    const length = code >= 0xd4
      ? 1 << (code - 0xd4)
      : code === 0xc7
        ? this.view.getUint8(this.skipBytes(1))
        : code === 0xc8 ? this.view.getUint16(this.skipBytes(2)) : this.view.getUint32(this.skipBytes(4))
    const actual = this.view.getInt8(this.skipBytes(1))
    if (type !== undefined && actual !== type) throw invalidData(`msgpack extension ${actual} where a time belongs`)
    return length
  }

  private code (): number {
    const code = this.bytes[this.at]
    if (code === undefined) throw this.ends()
    this.at++
    return code
  }

  private skipBytes (count: number): number {
    const start = this.at
    if (count > this.bytes.length - start) throw this.ends()
    this.at = start + count
    return start
  }

  private ends (): Error {
    return invalidData('msgpack ends within a value')
  }

  private wrong (wanted: string, code: number): Error {
    return invalidData(`expected ${wanted}, got msgpack code 0x${code.toString(16).padStart(2, '0')}`)
  }
}

const fixedSizes: Readonly<Record<number, number>> = { 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8 }

function isExtension (code: number): boolean {
  return (code >= 0xd4 && code <= 0xd8) || (code >= 0xc7 && code <= 0xc9)
}

function checkedTime (seconds: number, nanoseconds: number): Time {
  if (nanoseconds > 999_999_999) throw invalidData('msgpack time with too many nanoseconds')
  const time = joinTime(seconds, nanoseconds)
  if (splitTime(time) === undefined) throw invalidData('msgpack time outside of the years 0 to 9999')
  return time
}
