import type { Time } from '../domain/time.ts'
import { splitTime } from './time.ts'

const encoder = new TextEncoder()
const minBufferBytes = 512
/** What is not longer is copied faster by a loop than by the engine. */
const shortBytes = 48
const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n

/**
 * Writes msgpack as the reference's encoder does: the old forms only (no str8, bin or ext), text
 * and bytes alike as raw, signed and unsigned numbers each in their own smallest form (spec/wire.md 4).
 */
export class MsgpackWriter {
  private bytes: Uint8Array<ArrayBuffer> = new Uint8Array(minBufferBytes)
  private view = new DataView(this.bytes.buffer)
  private at = 0

  nil (): void {
    this.byte(0xc0)
  }

  boolean (value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2)
  }

  /** A number of a signed type; fractions and what exceeds 64 bits are cut. */
  signed (value: number | bigint): void {
    if (value >= -32 && value <= 127) return this.byte(Number(value) & 0xff)
    if (value >= -128 && value < 0) return this.sized(0xd0, 1, Number(value) & 0xff)
    if (value >= -32_768 && value <= 32_767) return this.sized(0xd1, 2, Number(value) & 0xffff)
    if (value >= -2_147_483_648 && value <= 2_147_483_647) return this.sized(0xd2, 4, Number(value) >>> 0)
    const wide = typeof value === 'bigint' ? value : BigInt(Math.trunc(value))
    this.wide(0xd3, wide < int64Min ? int64Min : wide > int64Max ? int64Max : wide)
  }

  /** A number of an unsigned type. */
  unsigned (value: number): void {
    if (value <= 127) return this.byte(Math.max(0, value))
    if (value <= 255) return this.sized(0xcc, 1, value)
    if (value <= 65_535) return this.sized(0xcd, 2, value)
    if (value <= 4_294_967_295) return this.sized(0xce, 4, value)
    this.wide(0xcf, BigInt.asUintN(64, BigInt(Math.trunc(value))))
  }

  float (value: number): void {
    this.reserve(9)
    this.bytes[this.at] = 0xcb
    this.view.setFloat64(this.at + 1, value)
    this.at += 9
  }

  /** Text, bytes, CIDs, peer IDs: all are raw. */
  raw (value: Uint8Array): void {
    this.header(value.length, 0xa0, 32, 0xda)
    this.append(value)
  }

  text (value: string): void {
    if (value.length >= 32 || !this.shortAscii(value)) this.raw(encoder.encode(value))
  }

  /** Writes text of less than 32 ASCII characters; false when it is not. */
  private shortAscii (value: string): boolean {
    this.reserve(32)
    const start = this.at
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return false
      this.bytes[start + 1 + i] = code
    }
    this.bytes[start] = 0xa0 | value.length
    this.at = start + 1 + value.length
    return true
  }

  /** A moment with microseconds; unset is nil. */
  time (value: Time): void {
    const parts = value === 0 ? undefined : splitTime(value)
    if (parts === undefined) return this.nil()
    const { seconds, micros } = parts
    const nanoseconds = micros * 1000
    if (seconds >= 0 && seconds < 2 ** 34) {
      if (nanoseconds === 0 && seconds < 2 ** 32) return this.sized(0xa4, 4, seconds)
      return this.wide(0xa8, (BigInt(nanoseconds) << 34n) | BigInt(seconds))
    }
    this.sized(0xac, 4, nanoseconds)
    this.reserve(8)
    this.view.setBigInt64(this.at, BigInt(seconds))
    this.at += 8
  }

  mapHeader (entries: number): void {
    this.header(entries, 0x80, 16, 0xde)
  }

  arrayHeader (elements: number): void {
    this.header(elements, 0x90, 16, 0xdc)
  }

  /** One or more values that are msgpack already. */
  append (value: Uint8Array): void {
    this.reserve(value.length)
    if (value.length > shortBytes) this.bytes.set(value, this.at)
    else for (let i = 0; i < value.length; i++) this.bytes[this.at + i] = value[i] as number
    this.at += value.length
  }

  /** How many bytes were written since the writer was last empty. */
  get sizeBytes (): number {
    return this.at
  }

  /** Forgets what was written since {@link sizeBytes} was this. */
  rewind (sizeBytes: number): void {
    this.at = Math.min(this.at, sizeBytes)
  }

  /** Makes room for so many bytes more, so that a large value does not make the buffer grow step by step. */
  reserve (count: number): void {
    if (this.at + count <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count, minBufferBytes))
    larger.set(this.bytes.subarray(0, this.at))
    this.replace(larger)
  }

  /** What was written, without a copy: the buffer goes along, and the writer is empty afterwards. */
  detach (): Uint8Array {
    const result = this.bytes.subarray(0, this.at)
    this.at = 0
    this.replace(new Uint8Array(0))
    return result
  }

  /** A copy of what was written; the writer is empty afterwards. */
  finish (): Uint8Array {
    const result = this.bytes.slice(0, this.at)
    this.reset()
    return result
  }

  /** Forgets what was written, and the buffer too when one giant value made it grow. */
  reset (): void {
    this.at = 0
    if (this.bytes.length > maxKeptBytes) this.replace(new Uint8Array(minBufferBytes))
  }

  private header (count: number, fix: number, fixLimit: number, code16: number): void {
    if (count < fixLimit) this.byte(fix | count)
    else if (count < 65_536) this.sized(code16, 2, count)
    else this.sized(code16 + 1, 4, count)
  }

  private byte (value: number): void {
    this.reserve(1)
    this.bytes[this.at++] = value
  }

  private sized (code: number, size: 1 | 2 | 4, value: number): void {
    this.reserve(5)
    this.bytes[this.at] = code
    if (size === 1) this.bytes[this.at + 1] = value
    else if (size === 2) this.view.setUint16(this.at + 1, value)
    else this.view.setUint32(this.at + 1, value)
    this.at += size + 1
  }

  private wide (code: number, value: bigint): void {
    this.reserve(9)
    this.bytes[this.at] = code
    this.view.setBigInt64(this.at + 1, BigInt.asIntN(64, value))
    this.at += 9
  }

  private replace (bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
  }
}

/** One giant value must not hold its buffer for ever. */
const maxKeptBytes = 64 * 1024
