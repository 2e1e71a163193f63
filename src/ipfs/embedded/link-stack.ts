import { open, type FileHandle } from 'node:fs/promises'
import { rm } from 'node:fs/promises'
import { ClusterError } from '../../domain/errors.ts'

/** A block that a walk has yet to visit. */
export interface PendingLink {
  /** The binary CID. */
  readonly cid: Uint8Array
  /** How many levels below it belong to the walk; -1 for all. */
  readonly depth: number
}

/** Links of one block, packed: one byte of length, then the CID, each. */
interface Chunk { readonly packed: Buffer, at: number, readonly depth: number }

/** Memory for links that wait, in bytes: about a million. What is over goes to a file. */
const maxMemoryBytes = 32 * 1024 * 1024

/**
 * The links that a walk of a DAG has yet to follow, last in, first out, so that it goes deep
 * first and few wait at a time. DAGs that are deep and wide at once spill to a file.
 */
export class LinkStack {
  readonly #spillPath: string
  readonly #maxMemoryBytes: number
  #chunks: Chunk[] = []
  #memoryBytes = 0
  #file: FileHandle | undefined
  /** What is in the file, the last written at the end. */
  readonly #spilled: Array<{ readonly offset: number, readonly length: number, readonly depth: number }> = []

  /** @param spillPath file that is made when memory does not suffice, and removed by {@link close} */
  constructor (spillPath: string, memoryBytes = maxMemoryBytes) {
    this.#spillPath = spillPath
    this.#maxMemoryBytes = memoryBytes
  }

  /** @param cids longer than 255 bytes are refused by the caller */
  push (cids: readonly Uint8Array[], depth: number): void {
    if (cids.length === 0) return
    const packed = Buffer.allocUnsafeSlow(cids.reduce((sum, cid) => sum + 1 + cid.length, 0))
    let at = 0
    for (const cid of cids) {
      packed[at] = cid.length
      packed.set(cid, at + 1)
      at += 1 + cid.length
    }
    this.#chunks.push({ packed, at: 0, depth })
    this.#memoryBytes += packed.length
  }

  get isEmpty (): boolean { return this.#chunks.length === 0 && this.#spilled.length === 0 }

  /** Makes the next links ready for {@link pop}, and memory flat. To be awaited between pops, by one caller. */
  async settle (): Promise<void> {
    if (this.#memoryBytes > this.#maxMemoryBytes) await this.#spill()
    else if (this.#chunks.length === 0 && this.#spilled.length > 0) await this.#load()
  }

  pop (): PendingLink | undefined {
    const chunk = this.#chunks.at(-1)
    if (chunk === undefined) return undefined
    const begin = chunk.at + 1
    const end = begin + (chunk.packed[chunk.at] as number)
    chunk.at = end
    if (end === chunk.packed.length) {
      this.#chunks.pop()
      this.#memoryBytes -= chunk.packed.length
    }
    return { cid: chunk.packed.subarray(begin, end), depth: chunk.depth }
  }

  async close (): Promise<void> {
    this.#chunks = []
    if (this.#file === undefined) return
    await this.#file.close()
    this.#file = undefined
    await rm(this.#spillPath, { force: true })
  }

  /**
   * The lower half goes: it is needed last. Chunks of one depth become one, so that few are remembered, but none that
   * is as large as the memory: it would be written again after each look at its beginning.
   */
  async #spill (): Promise<void> {
    const lower = this.#chunks.splice(0, Math.ceil(this.#chunks.length / 2))
    /** What is written together, the part that is needed last first. */
    let parts: Buffer[] = []
    let bytes = 0
    let depth = -1
    const write = async (): Promise<void> => {
      if (parts.length > 0) await this.#write(Buffer.concat(parts.toReversed()), depth)
      parts = []
      bytes = 0
    }
    for (const chunk of lower) {
      this.#memoryBytes -= chunk.packed.length
      for (const part of cut(chunk.packed.subarray(chunk.at), this.#maxMemoryBytes / 4).toReversed()) {
        if (chunk.depth !== depth || bytes + part.length > this.#maxMemoryBytes / 4) await write()
        depth = chunk.depth
        parts.push(part)
        bytes += part.length
      }
    }
    await write()
  }

  async #write (packed: Buffer, depth: number): Promise<void> {
    this.#file ??= await open(this.#spillPath, 'w+', 0o600)
    const last = this.#spilled.at(-1)
    const offset = last === undefined ? 0 : last.offset + last.length
    // A disk that fills up takes a part first and says so at the next call only.
    for (let at = 0; at < packed.length;) at += (await this.#file.write(packed, at, packed.length - at, offset + at)).bytesWritten
    this.#spilled.push({ offset, length: packed.length, depth })
  }

  async #load (): Promise<void> {
    let loadedBytes = 0
    const loaded: Chunk[] = []
    while (this.#spilled.length > 0 && loadedBytes < this.#maxMemoryBytes / 4) {
      const { offset, length, depth } = this.#spilled.pop() as { offset: number, length: number, depth: number }
      const packed = Buffer.allocUnsafeSlow(length)
      for (let at = 0; at < length;) {
        const { bytesRead } = await (this.#file as FileHandle).read(packed, at, length - at, offset + at)
        if (bytesRead === 0) throw new ClusterError('STORE_FAILED', `${this.#spillPath} is shorter than what was written to it: check the disk`)
        at += bytesRead
      }
      loaded.unshift({ packed, at: 0, depth })
      loadedBytes += length
      this.#memoryBytes += length
    }
    this.#chunks = loaded
  }
}

/** Packed links in parts of at most so many bytes, or of one link. */
function cut (packed: Buffer, partBytes: number): Buffer[] {
  const parts: Buffer[] = []
  let from = 0
  for (let at = 0; at < packed.length;) {
    const next = at + 1 + (packed[at] as number)
    if (next - from > partBytes && at > from) {
      parts.push(packed.subarray(from, at))
      from = at
    }
    at = next
  }
  parts.push(packed.subarray(from))
  return parts
}
