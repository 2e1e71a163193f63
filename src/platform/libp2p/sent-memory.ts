/** Smaller pieces are made anew: that costs little. */
const minKeptBytes = 16 * 1024
/** Buffers are made in steps of this, so that one fits the next message of about the same size. */
const stepBytes = 64 * 1024
/** What is kept for later at most: enough for some connections that send much at the same time. */
const maxKeptBytes = 4 * 1024 * 1024

/** Memory for what is sent, used again once it has gone out. For all connections of a host. */
export class SentMemory {
  readonly #free: Buffer[] = []
  #freeBytes = 0

  /** Of at least that many bytes. */
  take (count: number): Buffer {
    if (count < minKeptBytes) return Buffer.allocUnsafe(count)
    const at = this.#free.findLastIndex(({ length }) => length >= count)
    if (at < 0) return Buffer.allocUnsafeSlow(Math.ceil(count / stepBytes) * stepBytes)
    const [found] = this.#free.splice(at, 1) as [Buffer]
    this.#freeBytes -= found.length
    return found
  }

  /** Takes back what nobody reads any more. */
  give (buffer: Buffer): void {
    if (buffer.length < minKeptBytes || this.#freeBytes + buffer.length > maxKeptBytes) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.length
  }
}

/** The messages of one connection that are on their way out, in their order. */
export class UnderWay {
  readonly #memory: SentMemory
  readonly #pendingBytes: () => number
  readonly #sent: Array<{ readonly buffer: Buffer, readonly bytes: number }> = []
  #bytes = 0

  /** @param pendingBytes how much of what was sent may still be read; only what was sent last */
  constructor (memory: SentMemory, pendingBytes: () => number) {
    this.#memory = memory
    this.#pendingBytes = pendingBytes
  }

  /** Memory for a message of exactly that many bytes, which is to be sent next. What has gone out meanwhile is used again. */
  take (bytes: number): Buffer {
    const pending = this.#pendingBytes()
    for (let oldest = this.#sent[0]; oldest !== undefined && this.#bytes - oldest.bytes >= pending; oldest = this.#sent[0]) {
      this.#sent.shift()
      this.#bytes -= oldest.bytes
      this.#memory.give(oldest.buffer)
    }
    const buffer = this.#memory.take(bytes)
    this.#sent.push({ buffer, bytes })
    this.#bytes += bytes
    return buffer.subarray(0, bytes)
  }
}
