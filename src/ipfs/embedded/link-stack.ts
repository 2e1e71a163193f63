import { open, type FileHandle } from 'node:fs/promises'
import { rm } from 'node:fs/promises'

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

  /** The lower half goes: it is needed last. Chunks of one depth become one, so that few are remembered. */
  async #spill (): Promise<void> {
    this.#file ??= await open(this.#spillPath, 'w+', 0o600)
    const lower = this.#chunks.splice(0, Math.ceil(this.#chunks.length / 2))
    while (lower.length > 0) {
      const { depth } = lower[0] as Chunk
      const end = lower.findIndex(chunk => chunk.depth !== depth)
      const same = lower.splice(0, end < 0 ? lower.length : end)
      const written = Buffer.concat(same.toReversed().map(chunk => chunk.packed.subarray(chunk.at)))
      const last = this.#spilled.at(-1)
      const offset = last === undefined ? 0 : last.offset + last.length
      await this.#file.write(written, 0, written.length, offset)
      this.#spilled.push({ offset, length: written.length, depth })
      for (const chunk of same) this.#memoryBytes -= chunk.packed.length
    }
  }

  async #load (): Promise<void> {
    let loadedBytes = 0
    const loaded: Chunk[] = []
    while (this.#spilled.length > 0 && loadedBytes < this.#maxMemoryBytes / 4) {
      const { offset, length, depth } = this.#spilled.pop() as { offset: number, length: number, depth: number }
      const packed = Buffer.allocUnsafeSlow(length)
      await (this.#file as FileHandle).read(packed, 0, length, offset)
      loaded.unshift({ packed, at: 0, depth })
      loadedBytes += length
      this.#memoryBytes += length
    }
    this.#chunks = loaded
  }
}
