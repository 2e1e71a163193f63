import { ClusterError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import { buzhashChunker } from './buzhash.ts'
import { allocateChunk, ByteQueue, ChunkMemory, headroomBytes, type Chunk } from './byte-queue.ts'
import { rabinChunker } from './rabin.ts'

/** Cuts one file into the contents of its leaves. Pure: the same bytes give the same chunks however they arrive. */
export interface Chunker {
  /** False when a piece is not looked at any more once {@link push} has run to its end. */
  readonly keepsPieces: boolean
  /** Takes the next bytes of the file; yields the chunks that are complete now. Must be run to its end before the next call. */
  push (piece: Uint8Array): Iterable<Chunk>
  /** Yields what is left; never an empty chunk. */
  finish (): Iterable<Chunk>
  /** Gives the memory of a chunk back, for a later one. Need not be called. */
  release? (bytes: Uint8Array): void
}

/** What `default` and an empty name mean, in bytes. */
export const defaultChunkBytes = 256 * 1024
/** Largest block that IPFS nodes exchange (bitswap specification). */
export const maxBlockBytes = 2 * 1024 * 1024
/** Largest chunk: leaves room for the framing of a leaf in a block. */
const maxChunkBytes = maxBlockBytes - 256
/** Smallest lower bound that a user may give for rabin: the window of the fingerprint. */
const minRabinBytes = 16

/**
 * Reads a chunker's name as Kubo does: `size-N`, `rabin`, `rabin-AVG`, `rabin-MIN-AVG-MAX`,
 * `buzhash`, `default` or nothing. The result makes one chunker for each file.
 * @throws ClusterError `ADD_REFUSED` with the reference's texts
 */
export function parseChunker (text: string): () => Chunker {
  if (text === '' || text === 'default') return () => sizeChunker(defaultChunkBytes)
  const parts = text.split('-')
  switch (parts[0]) {
    case 'size': return parseSize(parts)
    case 'rabin': return parseRabin(parts)
    case 'buzhash': return buzhashChunker
    default: throw refused(`unrecognized chunker option: ${text}`)
  }
}

function parseSize (parts: readonly string[]): () => Chunker {
  if (parts.length !== 2) throw refused('incorrect chunker string format (expected size-{size})')
  const size = parseInteger(parts[1] as string)
  if (size <= 0) throw refused('chunker size must be greater than 0')
  if (size > maxChunkBytes) throw tooLarge()
  return () => sizeChunker(size)
}

function parseRabin (parts: readonly string[]): () => Chunker {
  if (parts.length === 1) return rabinAround(defaultChunkBytes)
  if (parts.length === 2) {
    const average = parseInteger(parts[1] as string)
    if (Math.trunc(Math.fround(Math.fround(average) * 1.5)) > maxChunkBytes) throw tooLarge()
    return rabinAround(average)
  }
  if (parts.length !== 4) throw refused('incorrect format (expected \'rabin\' \'rabin-[avg]\' or \'rabin-[min]-[avg]-[max]\'')
  const min = parseLabelled(parts[1] as string, 'min', 'first')
  if (min < minRabinBytes) throw refused('rabin min must be greater than 16')
  const average = parseLabelled(parts[2] as string, 'avg', 'second')
  const max = parseLabelled(parts[3] as string, 'max', 'final')
  if (min >= average) throw refused('incorrect format: rabin-min must be smaller than rabin-avg')
  if (average >= max) throw refused('incorrect format: rabin-avg must be smaller than rabin-max')
  if (max > maxChunkBytes) throw tooLarge()
  return () => rabinChunker(min, average, max)
}

function rabinAround (average: number): () => Chunker {
  const min = Math.floor(average / 3)
  // The reference subtracts the window from a smaller minimum and gets a huge unsigned number:
  // such a chunker never cuts. The CIDs must stay the same.
  if (min < minRabinBytes) return wholeChunker
  return () => rabinChunker(min, average, average + Math.floor(average / 2))
}

function parseLabelled (text: string, label: string, position: string): number {
  const parts = text.split(':')
  if (parts.length > 1 && parts[0] !== label) {
    throw refused(position === 'final' ? `final label must be ${label}` : `${position} label must be ${label}`)
  }
  return parseInteger(parts.at(-1) as string)
}

function parseInteger (text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw refused(`strconv.Atoi: parsing ${quote(text)}: invalid syntax`)
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw refused(`strconv.Atoi: parsing ${quote(text)}: value out of range`)
  return value
}

/** Chunks of `size` bytes; the last may be shorter. Each piece is copied as it comes. */
function sizeChunker (size: number): Chunker {
  const memory = new ChunkMemory(size)
  let buffer: Buffer | undefined
  /** Content that `buffer` has room for, and has. */
  let room = 0
  let filled = 0
  let isFirst = true

  function take (): Chunk {
    const chunk = { buffer: buffer as Buffer, start: headroomBytes, end: headroomBytes + filled }
    buffer = undefined
    room = filled = 0
    isFirst = false
    return chunk
  }

  /** Makes room for the first bytes of a chunk, or for the rest of it. */
  function grow (count: number): void {
    const old = buffer
    // A file that comes in one piece is often the whole of it: no more memory than that.
    room = isFirst && old === undefined ? count : size
    buffer = room === size ? memory.take() : allocateChunk(room)
    old?.copy(buffer, headroomBytes, headroomBytes, headroomBytes + filled)
  }

  return {
    keepsPieces: false,
    release: bytes => { memory.give(bytes) },
    * push (piece) {
      let from = 0
      while (from < piece.length) {
        const part = Math.min(piece.length - from, size - filled)
        if (filled + part > room) grow(part)
        ;(buffer as Buffer).set(part === piece.length ? piece : piece.subarray(from, from + part), headroomBytes + filled)
        filled += part
        from += part
        if (filled === size) yield take()
      }
    },
    * finish () {
      if (filled > 0) yield take()
    },
  }
}

/** The whole file in one chunk, as far as a block can hold it. */
function wholeChunker (): Chunker {
  const queue = new ByteQueue()
  return {
    keepsPieces: true,
    push (piece) {
      queue.push(piece)
      if (queue.length > maxBlockBytes) throw refused('object size limit exceeded')
      return []
    },
    * finish () {
      if (queue.length > 0) yield queue.take(queue.length)
    },
  }
}

function tooLarge (): ClusterError {
  return refused(`chunker parameters may not exceed the maximum chunk size of ${maxChunkBytes}`)
}

function refused (message: string): ClusterError {
  return new ClusterError('ADD_REFUSED', message)
}
