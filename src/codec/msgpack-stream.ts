import { ClusterError } from '../domain/errors.ts'
import { invalidData } from './json.ts'
import { maxMsgpackDepth } from './msgpack-reader.ts'

/**
 * Cuts a stream of msgpack values that stand back to back, without any length before them, into
 * values (spec/wire.md 5). Scanning goes on where it stopped, so the cost is that of the bytes
 * however they arrive; what is kept is at most one value of `maxValueBytes` and one chunk.
 */
export class MsgpackStream {
  private readonly maxValueBytes: number
  /** What the value that is being scanned may have. */
  private limit = 0
  private buffer: Uint8Array = nothing
  /** Start of the value that is being scanned, where scanning goes on, and the end of what arrived. */
  private start = 0
  private at = 0
  private end = 0
  /** How many values are still to come on each open level; the innermost last. */
  private readonly open: number[] = []
  /** How many bytes the value that is being scanned has at least, as far as its headers tell. */
  private expected = 0
  /** True when nothing else stands in the memory of the value that was taken last, which was put together for it. */
  isAlone = false
  /** False while the buffer is a chunk of somebody else's. */
  private ownsBuffer = false

  constructor (options: { readonly maxValueBytes: number }) {
    this.maxValueBytes = options.maxValueBytes
  }

  /** Bytes that arrived and belong to no complete value yet. At the end of a stream there must be none. */
  get pendingBytes (): number {
    return this.end - this.start
  }

  /** Adds what arrived. True when it was copied; else the chunk must not be changed afterwards: values may be views of it. */
  push (chunk: Uint8Array): boolean {
    const pending = this.pendingBytes
    if (pending === 0) {
      this.buffer = chunk
      this.ownsBuffer = false
      this.start = this.at = 0
      this.end = chunk.length
      return false
    }
    if (this.buffer.length - this.end < chunk.length || !this.ownsBuffer) this.grow(pending + chunk.length)
    this.buffer.set(chunk, this.end)
    this.end += chunk.length
    return true
  }

  /**
   * The next complete value, or undefined until more has arrived. `maxBytes` is the limit of this
   * value where another than `maxValueBytes` belongs to it; until it is complete it must not change.
   * @throws ClusterError `INVALID_WIRE_DATA` for what is no msgpack, `TOO_LARGE` above the limit; the stream is of no use then
   */
  take (maxBytes = this.maxValueBytes): Uint8Array | undefined {
    this.limit = maxBytes
    if (this.open.length === 0) {
      if (this.start === this.end) return undefined
      this.open.push(1)
      this.at = this.start
    }
    while (this.open.length > 0) {
      const level = this.open.length - 1
      if (this.open[level] === 0) {
        this.open.pop()
        continue
      }
      const inner = this.step()
      if (inner === undefined) return undefined
      this.open[level] = (this.open[level] as number) - 1
      if (inner > 0) this.enter(inner)
    }
    const value = this.buffer.subarray(this.start, this.at)
    this.isAlone = this.leaveAlone(value)
    if (!this.isAlone) this.start = this.at
    if (this.start === this.end) this.buffer = nothing
    this.expected = 0
    return value
  }

  /** Leaves the buffer to a large value that is all but the whole of it; true when it does. */
  private leaveAlone (value: Uint8Array): boolean {
    const rest = this.end - this.at
    if (!this.ownsBuffer || this.start > 0 || value.length < minAloneBytes || rest > value.length) return false
    this.buffer = this.buffer.slice(this.at, this.end)
    this.start = this.at = 0
    this.end = rest
    return true
  }

  /** A new buffer with room for growth; values handed out keep the old one. */
  private grow (needed: number): void {
    // A large value gets its place at once, with room for what comes with its end. What its sender only claims is not trusted too far.
    const pending = this.pendingBytes
    const wanted = this.expected > pending ? Math.min(this.expected, pending * maxClaimFactor) + needed - pending : Math.min(pending * 2, this.limit)
    const larger = new Uint8Array(Math.max(needed, wanted))
    larger.set(this.buffer.subarray(this.start, this.end))
    this.at -= this.start
    this.end -= this.start
    this.start = 0
    this.buffer = larger
    this.ownsBuffer = true
  }

  private enter (inner: number): void {
    if (this.open.length >= maxMsgpackDepth) throw invalidData('msgpack is nested too deeply')
    this.open.push(inner)
  }

  /** Passes one value without what it contains and returns how many it contains; undefined when it is not complete. */
  private step (): number | undefined {
    const code = this.buffer[this.at]
    if (code === undefined || this.at >= this.end) return undefined
    const sizeBytes = lengthSizes[code] as number
    if (sizeBytes === invalidCode) throw invalidData('byte 0xc1 is no msgpack')
    if (this.end - this.at < 1 + sizeBytes) return this.checkSize(1 + sizeBytes)
    let size = fixedLengths[code] as number
    for (let i = 0; i < sizeBytes; i++) size = size * 256 + (this.buffer[this.at + 1 + i] as number)
    const inner = innerValues(code, size)
    const total = 1 + sizeBytes + (inner === undefined ? size + (isSizedExtension(code) ? 1 : 0) : 0)
    this.checkSize(total)
    if (this.end - this.at < total) {
      this.expected = this.at - this.start + total
      return undefined
    }
    this.at += total
    return inner ?? 0
  }

  private checkSize (more: number): undefined {
    if (this.at - this.start + more > this.limit) throw new ClusterError('TOO_LARGE', `a msgpack value of more than ${this.limit} bytes`)
  }
}

const nothing = new Uint8Array()

/** Smaller values share their memory with what came with them. */
const minAloneBytes = 16 * 1024
/** How much more than has arrived of it a value may claim to be, and get room for. */
const maxClaimFactor = 8

const invalidCode = 255

/** How many bytes of length follow each code, and the length that the code itself says. */
const lengthSizes = new Uint8Array(256)
const fixedLengths = new Uint8Array(256)
for (let code = 0x80; code < 0xa0; code++) fixedLengths[code] = code & 15
for (let code = 0xa0; code < 0xc0; code++) fixedLengths[code] = code & 31
lengthSizes[0xc1] = invalidCode
for (const [code, size] of [[0xc4, 1], [0xc5, 2], [0xc6, 4], [0xc7, 1], [0xc8, 2], [0xc9, 4], [0xd9, 1], [0xda, 2], [0xdb, 4], [0xdc, 2], [0xdd, 4], [0xde, 2], [0xdf, 4]] as const) lengthSizes[code] = size
for (const [code, length] of [[0xca, 4], [0xcb, 8], [0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 8], [0xd0, 1], [0xd1, 2], [0xd2, 4], [0xd3, 8], [0xd4, 2], [0xd5, 3], [0xd6, 5], [0xd7, 9], [0xd8, 17]] as const) fixedLengths[code] = length

/** Values inside of a map or array of that size; undefined for other codes. */
function innerValues (code: number, size: number): number | undefined {
  if ((code & 0xf0) === 0x80 || code === 0xde || code === 0xdf) return size * 2
  return (code & 0xf0) === 0x90 || code === 0xdc || code === 0xdd ? size : undefined
}

/** Extensions with a length carry their type in one more byte. */
function isSizedExtension (code: number): boolean {
  return code >= 0xc7 && code <= 0xc9
}
