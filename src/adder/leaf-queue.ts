import type { Chunk } from './byte-queue.ts'
import type { Chunker } from './chunker.ts'
import type { DagWriter, HashedBlock } from './dag-writer.ts'
import type { FileLayout } from './file-layout.ts'
import { encodeLeaf } from './unixfs-node.ts'

/** Leaves of a file before others are hashed beside it: a small file is done before a thread has started. */
const directLeaves = 8
/** Leaves that are being hashed at once: enough to hide the way to a thread and back, at most 2 MiB each. */
const maxUnderWay = 8

interface Leaf {
  readonly contentBytes: number
  readonly block: HashedBlock | Promise<HashedBlock>
}

/** Makes leaves of the chunks of one file, hashes several at once and gives them to the layout in their order. */
export class LeafQueue {
  readonly #layout: FileLayout
  readonly #rawLeaves: boolean
  readonly #writer: DagWriter
  readonly #chunker: Chunker
  readonly #underWay: Leaf[] = []
  #leaves = 0

  /** @param chunker gets the memory of its chunks back */
  constructor (layout: FileLayout, rawLeaves: boolean, writer: DagWriter, chunker: Chunker) {
    this.#layout = layout
    this.#rawLeaves = rawLeaves
    this.#writer = writer
    this.#chunker = chunker
  }

  /** Takes the next chunk and its memory. The result, when there is one, must be waited for before the next. */
  add (chunk: Chunk): Promise<void> | undefined {
    const contentBytes = chunk.end - chunk.start
    const bytes = this.#rawLeaves ? chunk.buffer.subarray(chunk.start, chunk.end) : encodeLeaf(chunk, this.#layout.leafKind)
    const codec = this.#rawLeaves ? 'raw' : 'dag-pb'
    const block = this.#leaves++ < directLeaves ? this.#writer.hash(codec, bytes) : this.#writer.hashBeside(codec, bytes)
    if (this.#underWay.length === 0 && !(block instanceof Promise)) {
      this.#put(contentBytes, block)
      return this.#writer.ready()
    }
    // It is waited for in its turn; a file that was given up before does not.
    if (block instanceof Promise) block.catch(() => {})
    this.#underWay.push({ contentBytes, block })
    return this.#underWay.length < maxUnderWay ? undefined : this.#putOldest()
  }

  /** Puts what is left. */
  async finish (): Promise<void> {
    while (this.#underWay.length > 0) await this.#putOldest()
  }

  async #putOldest (): Promise<void> {
    const { contentBytes, block } = this.#underWay.shift() as Leaf
    this.#put(contentBytes, await block)
    await this.#writer.ready()
  }

  #put (contentBytes: number, block: HashedBlock): void {
    this.#layout.addLeaf({ cid: this.#writer.putHashed(block, once(() => { this.#chunker.release?.(block.bytes) })), size: block.bytes.length, contentBytes })
  }
}

/** Memory given back twice would hold two chunks at once. */
function once (release: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    release()
  }
}
