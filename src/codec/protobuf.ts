import { invalidData } from './json.ts'

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads protobuf wire data (protobuf.dev/programming-guides/encoding). Every read is checked against the end. */
export class ProtobufReader {
  bytes: Uint8Array
  at: number
  end: number

  constructor (bytes: Uint8Array) {
    this.bytes = bytes
    this.at = 0
    this.end = bytes.length
  }

  /** An unsigned number; beyond 2^53 the nearest that a double holds. */
  varint (): number {
    if (this.at < this.end) {
      const first = this.bytes[this.at] as number
      if (first < 0x80) {
        this.at++
        return first
      }
    }
    return this.longVarint()
  }

  private longVarint (): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw invalidData('protobuf ends within a number')
      const byte = this.bytes[this.at++] as number
      if (i === 9 && byte > 1) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw invalidData('protobuf number has more than 64 bits')
  }

  /** A number in 64 bit two's complement, as writers put negative ones into unsigned fields. */
  signedVarint (): number {
    let low = 0
    let middle = 0
    let high = 0
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw invalidData('protobuf ends within a number')
      const byte = this.bytes[this.at++] as number
      if (i < 4) low |= (byte & 0x7f) << (7 * i)
      else if (i < 8) middle |= (byte & 0x7f) << (7 * (i - 4))
      else high |= (byte & 0x7f) << (7 * (i - 8))
      if (i === 9 && byte > 1) break
      if (byte < 0x80) return ((high < 128 ? high : high - 256) * 2 ** 28 + middle) * 2 ** 28 + low
    }
    throw invalidData('protobuf number has more than 64 bits')
  }

  /** A zigzag encoded signed number (sint32): the low 32 bits count, as in every protobuf library. */
  zigzag (): number {
    const value = this.varint() % 4_294_967_296
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** The end of a length-prefixed part that starts at `at` afterwards. */
  lengthEnd (): number {
    const length = this.varint()
    if (length > this.end - this.at) throw invalidData('protobuf ends within a field')
    return this.at + length
  }

  /** A view, not a copy. */
  view (): Uint8Array {
    const end = this.lengthEnd()
    const part = this.bytes.subarray(this.at, end)
    this.at = end
    return part
  }

  text (): string {
    const end = this.lengthEnd()
    const start = this.at
    this.at = end
    return readUtf8(this.bytes, start, end)
  }

  /** Steps over a field of a wire type that is not read. */
  skip (wireType: number): void {
    if (wireType === 0) this.varint()
    else if (wireType === 2) this.at = this.lengthEnd()
    else if (wireType === 1 || wireType === 5) {
      this.at += wireType === 1 ? 8 : 4
      if (this.at > this.end) throw invalidData('protobuf ends within a field')
    } else throw invalidData(`protobuf wire type ${wireType} is not supported`)
  }
}

/** UTF-8 text, strictly: other bytes could not be written back as they were. */
export function readUtf8 (bytes: Uint8Array, start: number, end: number): string {
  if (end - start < 24) {
    let text = ''
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      if (byte > 0x7f) return decodeUtf8(bytes, start, end)
      text += String.fromCharCode(byte)
    }
    return text
  }
  return decodeUtf8(bytes, start, end)
}

function decodeUtf8 (bytes: Uint8Array, start: number, end: number): string {
  try {
    return strictDecoder.decode(bytes.subarray(start, end))
  } catch {
    throw invalidData('text is not UTF-8')
  }
}

/** Writes protobuf wire data into one growing buffer. */
export class ProtobufWriter {
  private bytes = new Uint8Array(512)
  at = 0

  varint (value: number): void {
    this.reserve(10)
    if (value < 0) return this.negative(value)
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) | 0x80
    this.bytes[this.at++] = rest
  }

  /** Two's complement in 64 bits, always ten bytes. */
  private negative (value: number): void {
    let rest = BigInt.asUintN(64, BigInt(Math.floor(value)))
    for (; rest >= 0x80n; rest >>= 7n) this.bytes[this.at++] = Number(rest & 0x7fn) | 0x80
    this.bytes[this.at++] = Number(rest)
  }

  zigzag (value: number): void {
    const number = value | 0
    this.varint(((number << 1) ^ (number >> 31)) >>> 0)
  }

  raw (part: Uint8Array): void {
    this.reserve(part.length + 10)
    this.varint(part.length)
    this.bytes.set(part, this.at)
    this.at += part.length
  }

  text (text: string): void {
    if (text.length > 32) return this.raw(encoder.encode(text))
    this.reserve(text.length * 3 + 10)
    const start = this.at++
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) {
        this.at = start
        return this.raw(encoder.encode(text))
      }
      this.bytes[this.at++] = code
    }
    this.bytes[start] = text.length
  }

  /** Writes what `write` writes with its length before it. */
  nested (write: () => void): void {
    const start = this.at
    write()
    const length = this.at - start
    this.reserve(10)
    const prefix = length < 0x80 ? 1 : Math.ceil((32 - Math.clz32(length)) / 7)
    this.bytes.copyWithin(start + prefix, start, this.at)
    this.at = start
    this.varint(length)
    this.at = start + prefix + length
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
    if (this.bytes.length > maxKeptBytes) this.bytes = new Uint8Array(512)
  }

  private reserve (count: number): void {
    if (this.at + count <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count))
    larger.set(this.bytes)
    this.bytes = larger
  }
}

/** One giant value must not hold its buffer for ever. */
const maxKeptBytes = 64 * 1024
