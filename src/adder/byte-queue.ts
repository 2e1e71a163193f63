/**
 * Room before and after the bytes of a chunk: a leaf's framing is written around its content in
 * place, so that content is copied only once. Two keys and lengths of at most five bytes each and
 * the file size fit in with much to spare.
 */
export const headroomBytes = 32

/** Content of one leaf: `buffer` from `start` to `end`, with room on both sides. */
export interface Chunk {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
}

/** Memory for a chunk of `count` bytes, which begin after the room before it. */
export function allocateChunk (count: number): Buffer {
  const size = count + 2 * headroomBytes
  // A shared slab makes small buffers cheap; a large one gets memory of its own, given back as a whole.
  return isLarge(size) ? Buffer.allocUnsafeSlow(size) : Buffer.allocUnsafe(size)
}

function isLarge (sizeBytes: number): boolean {
  return sizeBytes >= Buffer.poolSize >>> 1
}

/** Chunks of one size that are stored already lend their memory to those that come; so much is kept for them at most. */
const maxKeptBytes = 64 * 1024 * 1024

/** The memory of one file's chunks, used again and again. */
export class ChunkMemory {
  readonly #chunkBytes: number
  readonly #free: Buffer[] = []

  constructor (chunkBytes: number) {
    this.#chunkBytes = chunkBytes
  }

  /** For a chunk of the whole size. */
  take (): Buffer {
    return this.#free.pop() ?? allocateChunk(this.#chunkBytes)
  }

  /** Takes back what lies under the bytes of a leaf, if it came from here. */
  give ({ buffer }: Uint8Array): void {
    const sizeBytes = this.#chunkBytes + 2 * headroomBytes
    // A slab of the runtime holds what belongs to others.
    const isOwn = isLarge(sizeBytes) && buffer.byteLength === sizeBytes && sizeBytes !== Buffer.poolSize
    if (isOwn && this.#free.length < maxKeptBytes / sizeBytes) this.#free.push(Buffer.from(buffer))
  }
}

/** Pieces of a stream that wait to be cut. Keeps them as they came and copies each byte once, when it is taken. */
export class ByteQueue {
  #pieces: Uint8Array[] = []
  /** First byte of the first piece that is not taken yet. */
  #offset = 0
  #length = 0

  get length (): number { return this.#length }

  push (piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#pieces.push(piece)
    this.#length += piece.length
  }

  /** Takes the next `count` bytes; the caller made sure that they are there. */
  take (count: number): Chunk {
    const buffer = allocateChunk(count)
    let at = headroomBytes
    let used = 0
    const end = headroomBytes + count
    while (at < end) {
      const piece = this.#pieces[used] as Uint8Array
      const part = Math.min(piece.length - this.#offset, end - at)
      buffer.set(part === piece.length ? piece : piece.subarray(this.#offset, this.#offset + part), at)
      at += part
      this.#offset += part
      if (this.#offset === piece.length) {
        used++
        this.#offset = 0
      }
    }
    if (used > 0) this.#pieces.splice(0, used)
    this.#length -= count
    return { buffer, start: headroomBytes, end }
  }
}
