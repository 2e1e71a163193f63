import { ClusterError, errorText } from '../../domain/errors.ts'
import type { BlockIndex, IndexChange } from './block-index.ts'
import type { BlockLocation, BlockSet } from './block-set.ts'
import { recordBytes, recordHead } from './segment-record.ts'
import type { Segment, Segments } from './segments.ts'

export interface NewBlock {
  readonly key: string
  readonly multihash: Uint8Array
  readonly bytes: Uint8Array
}

/** Size of the disk of a folder, and what is free on it for this process, in bytes. */
export type DiskSpace = (folder: string) => Promise<{ readonly totalBytes: number, readonly freeBytes: number }>

export interface BlockWriterOptions {
  readonly folder: string
  readonly segments: Segments
  readonly index: BlockIndex
  readonly storageMaxBytes: number
  readonly diskSpace: DiskSpace
  /** Told of blocks that were asked for again and stand already. */
  readonly onKnown: (location: BlockLocation) => void
  /** Told of blocks that lie elsewhere now. */
  readonly onMoved: (from: BlockLocation, to: BlockLocation) => void
}

/** A segment that has grown to this size takes no more: small enough to copy when most of it is dead. */
const segmentBytes = 128 * 1024 * 1024
/** Bytes that are written and synced together: larger groups are no quicker, and memory stays flat. */
const groupBytes = 16 * 1024 * 1024
/** Blocks that are written together: their index entries are one batch. */
const groupBlocks = 4096
/** Left free on the disk, so that the pins and the rest of the peer can still write. */
const reservedDiskBytes = 64 * 1024 * 1024
/** New blocks leave as much more free as a collection may have to move before it can remove a file: else a full disk would stay full. */
const reservedForMovesBytes = segmentBytes + groupBytes
/** On small disks only this part is left free for both. */
const reservedDiskPart = 0.1

interface Pending extends NewBlock {
  readonly movedFrom: BlockLocation | undefined
  readonly keeps: BlockSet[]
  readonly resolve: (location: BlockLocation) => void
  readonly reject: (error: unknown) => void
}

interface Written { readonly segment: Segment, readonly blocks: ReadonlyArray<{ pending: Pending, location: BlockLocation }> }

/**
 * Appends blocks to segment files. What waits is written as one group with one sync of the file
 * and then one of the index; the next group is written meanwhile. A block is in the index only
 * when it is whole on disk, so no crash leaves half a block to be found. Callers bound how much
 * they have under way: the queue itself does not.
 */
export class BlockWriter {
  readonly #options: BlockWriterOptions
  #queue: Pending[] = []
  readonly #inFlight = new Map<string, { pending: Pending, promise: Promise<BlockLocation> }>()
  #active: Segment | undefined
  #rotations = 0
  #barriers: Array<() => void> = []
  #running: Promise<void> | undefined
  #committing: Promise<void> = Promise.resolve()

  /** @param last the segment to go on with */
  constructor (options: BlockWriterOptions, last: Segment | undefined) {
    this.#options = options
    this.#active = last
  }

  /**
   * Resolves when the block is on disk; one that stands already is not written again.
   * @param keep set that the block is put into before garbage collection can see it
   * @throws ClusterError `STORE_FULL`, `STORE_FAILED`
   */
  append (block: NewBlock, keep?: BlockSet): Promise<BlockLocation> {
    const known = this.#inFlight.get(block.key)
    if (known !== undefined) {
      if (keep !== undefined) known.pending.keeps.push(keep)
      return known.promise
    }
    return this.#enqueue(block, undefined, keep)
  }

  /** Writes a block once more from its old place to the active segment; the index then has the new place. */
  move (block: NewBlock, from: BlockLocation): Promise<BlockLocation> { return this.#enqueue(block, from, undefined) }

  /**
   * Lets later blocks go to new segments and resolves when all earlier ones are on disk.
   * @returns the lowest number that a new segment can have
   */
  async rotate (): Promise<number> {
    this.#active = undefined
    this.#rotations++
    const first = this.#options.segments.nextId
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#barriers.push(resolve)
    this.#start()
    await promise
    return first
  }

  /** Resolves when nothing is under way. */
  async idle (): Promise<void> {
    while (this.#running !== undefined) await this.#running
    await this.#committing
  }

  #enqueue (block: NewBlock, movedFrom: BlockLocation | undefined, keep: BlockSet | undefined): Promise<BlockLocation> {
    const { promise, resolve, reject } = Promise.withResolvers<BlockLocation>()
    const pending: Pending = { key: block.key, multihash: block.multihash, bytes: block.bytes, movedFrom, keeps: keep === undefined ? [] : [keep], resolve, reject }
    if (movedFrom === undefined) {
      const entry = { pending, promise }
      this.#inFlight.set(block.key, entry)
      const forget = (): void => { this.#inFlight.delete(block.key) }
      promise.then(forget, forget)
    }
    this.#queue.push(pending)
    this.#start()
    return promise
  }

  #start (): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (this.#queue.length > 0 || this.#barriers.length > 0) this.#start()
    })
  }

  async #run (): Promise<void> {
    // One turn later, so that the blocks of one tick are one group.
    await Promise.resolve()
    while (this.#queue.length > 0 || this.#barriers.length > 0) {
      const barriers = this.#barriers
      this.#barriers = []
      if (barriers.length > 0) {
        await this.#committing
        for (const passed of barriers) passed()
      }
      const group = this.#takeGroup()
      try {
        const fresh = await this.#thatFit(await this.#withoutKnown(group))
        if (fresh.length === 0) continue
        const written = await this.#write(fresh)
        // One group is on its way to disk while the next is written, no more.
        await this.#committing
        this.#committing = this.#commit(written)
      } catch (error) {
        const reason = this.#failure(error)
        for (const pending of group) pending.reject(reason)
      }
    }
  }

  #takeGroup (): Pending[] {
    let bytes = 0
    let count = 0
    while (count < this.#queue.length && count < groupBlocks && bytes < groupBytes) bytes += (this.#queue[count++] as Pending).bytes.length
    return this.#queue.splice(0, count)
  }

  async #withoutKnown (group: readonly Pending[]): Promise<Pending[]> {
    const { index, segments } = this.#options
    const news = group.filter(pending => pending.movedFrom === undefined)
    const locations = news.length === 0 ? [] : await index.locate(news.map(pending => pending.key))
    const known = new Map<Pending, BlockLocation>()
    for (const [i, location] of locations.entries()) {
      if (location !== undefined && segments.get(location.segment) !== undefined && !segments.condemned.has(location)) known.set(news[i] as Pending, location)
    }
    return group.filter(pending => {
      const location = known.get(pending)
      if (location === undefined) return true
      this.#options.onKnown(location)
      for (const keep of pending.keeps) keep.add(location)
      pending.resolve(location)
      return false
    })
  }

  /** Those for which there is room; the others are refused. */
  async #thatFit (blocks: Pending[]): Promise<Pending[]> {
    if (blocks.length === 0) return blocks
    const { segments, storageMaxBytes, folder } = this.#options
    let usedBytes = 0
    for (const segment of segments.all()) usedBytes += segment.sizeBytes
    const freeBytes = await this.freeBytes()
    let takenBytes = 0
    return blocks.filter(pending => {
      const size = recordBytes(pending.multihash.length, pending.bytes.length)
      if (pending.movedFrom === undefined && usedBytes + size > storageMaxBytes) {
        pending.reject(new ClusterError('STORE_FULL', `the embedded IPFS node is full: it holds ${usedBytes} of at most ${storageMaxBytes} bytes; unpin something and collect garbage with "ipfs-cluster-ctl ipfs gc", or raise its storage limit`))
        return false
      }
      if (takenBytes + size > (pending.movedFrom === undefined ? freeBytes.forNew : freeBytes.forMoves)) {
        pending.reject(new ClusterError('STORE_FULL', `the disk under ${folder} is full: free some space`))
        return false
      }
      usedBytes += size
      takenBytes += size
      return true
    })
  }

  /** What may still be written to the disk, in bytes: new blocks, and such as move. */
  async freeBytes (): Promise<{ readonly forNew: number, readonly forMoves: number }> {
    const { diskSpace, folder } = this.#options
    const { totalBytes, freeBytes } = await diskSpace(folder)
    const wanted = reservedDiskBytes + reservedForMovesBytes
    const reserved = Math.min(wanted, totalBytes * reservedDiskPart)
    return { forNew: freeBytes - reserved, forMoves: freeBytes - reserved * reservedDiskBytes / wanted }
  }

  async #write (pendings: readonly Pending[]): Promise<Written> {
    const { segments } = this.#options
    const segment = await this.#segmentToWrite()
    const buffers: Uint8Array[] = []
    const blocks: Array<{ pending: Pending, location: BlockLocation }> = []
    let offset = segment.sizeBytes
    for (const pending of pendings) {
      const head = recordHead(pending.multihash, pending.bytes)
      buffers.push(head, pending.bytes)
      blocks.push({ pending, location: { segment: segment.id, ordinal: segment.records + blocks.length, offset, sizeBytes: pending.bytes.length } })
      offset += head.length + pending.bytes.length
    }
    try {
      await segments.write(segment, buffers, segment.sizeBytes)
    } catch (error) {
      // The size stays as it was, and the next write goes to the same place. Cutting the part off
      // gives a full disk its space back; failing in that changes nothing.
      await segments.truncate(segment).catch(() => {})
      throw error
    }
    segment.sizeBytes = offset
    segment.records += blocks.length
    return { segment, blocks }
  }

  async #segmentToWrite (): Promise<Segment> {
    if (this.#active !== undefined && !this.#active.failed && this.#active.sizeBytes < segmentBytes) return this.#active
    const rotations = this.#rotations
    const segment = await this.#options.segments.create()
    // A rotation meanwhile has counted this segment among the old ones.
    if (rotations === this.#rotations) this.#active = segment
    return segment
  }

  async #commit ({ segment, blocks }: Written): Promise<void> {
    const { segments, index } = this.#options
    try {
      await segments.sync(segment)
      if (segment.failed) throw new Error('an earlier sync of the file failed')
    } catch (error) {
      segment.failed = true
      const reason = this.#failure(error)
      for (const { pending } of blocks) pending.reject(reason)
      return
    }
    const touched = new Set([segment])
    const counted: Array<{ segment: Segment, bytes: number, blocks: number }> = []
    const count = (of: Segment, bytes: number, blocks: number): void => {
      of.liveBytes += bytes
      of.liveBlocks += blocks
      counted.push({ segment: of, bytes, blocks })
      touched.add(of)
    }
    const changes: IndexChange[] = []
    const live = blocks.filter(({ pending: { movedFrom } }) => movedFrom === undefined || !segments.condemned.has(movedFrom))
    for (const { pending, location } of live) {
      const { movedFrom } = pending
      const size = recordBytes(pending.multihash.length, location.sizeBytes)
      changes.push({ key: pending.key, location })
      count(segment, size, 1)
      const from = movedFrom && segments.get(movedFrom.segment)
      if (from !== undefined) count(from, -size, -1)
    }
    try {
      await index.write(changes, touched, { sync: true })
    } catch (error) {
      for (const { segment, bytes, blocks } of counted) {
        segment.liveBytes -= bytes
        segment.liveBlocks -= blocks
      }
      const reason = this.#failure(error)
      for (const { pending } of blocks) pending.reject(reason)
      return
    }
    for (const { pending, location } of live) {
      for (const keep of pending.keeps) keep.add(location)
      if (pending.movedFrom !== undefined) this.#options.onMoved(pending.movedFrom, location)
    }
    for (const { pending, location } of blocks) pending.resolve(location)
  }

  #failure (error: unknown): ClusterError {
    if (error instanceof ClusterError) return error
    const { code } = error as { code?: string }
    if (code === 'ENOSPC' || code === 'EDQUOT') return new ClusterError('STORE_FULL', `the disk under ${this.#options.folder} is full: free some space`, { cause: error })
    return new ClusterError('STORE_FAILED', `the blocks in ${this.#options.folder} cannot be written: ${errorText(error)}`, { cause: error })
  }
}
