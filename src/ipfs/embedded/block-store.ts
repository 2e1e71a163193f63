import { mkdir, rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Clock } from '../../platform/clock.ts'
import { openLevelDbStore } from '../../platform/leveldb-store.ts'
import type { Logger } from '../../platform/logger.ts'
import { BlockLeases, type Lease } from './block-leases.ts'
import { BlockIndex, type IndexChange, type IndexEntry } from './block-index.ts'
import type { BlockSet, BlockLocation } from './block-set.ts'
import { BlockWriter, type DiskSpace, type NewBlock } from './block-writer.ts'
import { blockKey, multihashOfKey } from './cid-parts.ts'
import { blockOfRecord, recordBytes, scanRecords, type ReadAt } from './segment-record.ts'
import { restoreSegments } from './restore-segments.ts'
import { Segments, type Segment } from './segments.ts'
import { Slots } from './slots.ts'
import { chooseSparse } from './sparse-segments.ts'

export type { NewBlock } from './block-writer.ts'

export interface BlockStoreOptions {
  readonly folder: string
  /** Largest size of all segment files together. */
  readonly storageMaxBytes: number
  /** How long blocks that were put are left alone by garbage collection, so that they can be pinned. */
  readonly putLeaseMs: number
  /** Asks the operating system when absent. */
  readonly diskSpace?: DiskSpace
  /** Told of a block that was given up, so that it can be fetched again. */
  readonly onGivenUp?: (key: string) => void
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The blocks of the embedded node on disk: segment files with an index. All answers are about
 * blocks that are whole on disk. Keys are those of {@link blockKey}.
 */
export class BlockStore {
  readonly #options: BlockStoreOptions
  readonly #segments: Segments
  readonly #index: BlockIndex
  readonly #writer: BlockWriter
  readonly #leases: BlockLeases
  readonly #reads = new Slots(readsAtOnce)
  /** What the garbage collection under way will keep. */
  #marks: BlockSet | undefined

  /** @throws ClusterError `FOLDER_LOCKED`, `STORE_FULL`, `STORE_FAILED` */
  static async open (options: BlockStoreOptions): Promise<BlockStore> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 })
    const index = new BlockIndex(await openIndex(options))
    const segments = new Segments(join(options.folder, 'segments'))
    try {
      await restoreSegments(index, segments, options.logger)
      return new BlockStore(options, segments, index)
    } catch (error) {
      await segments.close()
      await index.close()
      throw error
    }
  }

  private constructor (options: BlockStoreOptions, segments: Segments, index: BlockIndex) {
    this.#options = options
    this.#segments = segments
    this.#index = index
    this.#leases = new BlockLeases(options.clock, options.putLeaseMs)
    this.#writer = new BlockWriter({
      folder: options.folder,
      segments,
      index,
      storageMaxBytes: options.storageMaxBytes,
      diskSpace: options.diskSpace ?? systemDiskSpace,
      onKnown: location => { this.#marks?.add(location) },
      onMoved: (from, to) => { this.#leases.moved(from, to) },
    }, segments.last())
  }

  /** Where the blocks lie, undefined for those that are not there. With `keep`, a garbage collection under way leaves them alone from now on. */
  async locate (keys: readonly string[], keep = false): Promise<Array<BlockLocation | undefined>> {
    const found = await this.#index.locate(keys)
    const again: number[] = []
    for (const [i, location] of found.entries()) {
      if (location === undefined) continue
      // Moved between look-up and answer.
      if (this.#segments.get(location.segment) === undefined) again.push(i)
    }
    if (again.length > 0) {
      const second = await this.#index.locate(again.map(i => keys[i] as string))
      for (const [n, i] of again.entries()) found[i] = second[n]
    }
    return found.map(location => {
      if (location === undefined || this.#segments.get(location.segment) === undefined || this.#segments.condemned.has(location)) return undefined
      if (keep) this.#marks?.add(location)
      return location
    })
  }

  async has (key: string): Promise<boolean> { return (await this.locate([key]))[0] !== undefined }

  /** The block, or undefined when it is not there. A block that rotted on disk, or that the disk cannot read, is given up, so that it can be fetched anew. */
  async read (key: string): Promise<Uint8Array | undefined> {
    const [location] = await this.locate([key])
    return location === undefined ? undefined : this.readAt(key, location)
  }

  /** As {@link read}, for a block that was just located. */
  async readAt (key: string, location: BlockLocation): Promise<Uint8Array | undefined> {
    const multihash = multihashOfKey(key)
    const giveBack = await this.#reads.take()
    let record: Buffer
    try {
      record = await this.#segments.reader(location.segment)(location.offset, recordBytes(multihash.length, location.sizeBytes))
    } catch (error) {
      if (this.#segments.get(location.segment) === undefined) return this.#readMoved(key, location)
      if (isUnreadable(error)) return this.#giveUp(key, location)
      throw new ClusterError('STORE_FAILED', `a block in ${this.#options.folder} cannot be read: ${errorText(error)}`, { cause: error })
    } finally {
      giveBack()
    }
    const bytes = blockOfRecord(record, multihash)
    return bytes ?? this.#giveUp(key, location)
  }

  /** As {@link BlockWriter.append}. */
  put (block: NewBlock, lease?: Lease): Promise<BlockLocation> { return this.#writer.append(block, lease?.blocks) }

  lease (): Lease { return this.#leases.begin() }

  /** All below this block is pinned: the lease of the stream that brought it is needed no longer. */
  async endLease (key: string): Promise<void> {
    if (this.#leases.isSettled) return
    const [root] = await this.#index.locate([key])
    if (root !== undefined) this.#leases.pinned(root)
  }

  /** Size of the segment files, and the number of blocks in them. */
  stat (): { sizeBytes: number, blocks: number } {
    let sizeBytes = 0
    let blocks = 0
    for (const segment of this.#segments.all()) {
      sizeBytes += segment.sizeBytes
      blocks += segment.liveBlocks
    }
    return { sizeBytes, blocks }
  }

  /** Bytes that the segment files may have together: the limit, or less where the disk has no room for so many. */
  async capacityBytes (): Promise<number> {
    const freeBytes = Math.max(0, Math.floor((await this.#writer.freeBytes()).forNew))
    return Math.min(this.#options.storageMaxBytes, this.stat().sizeBytes + freeBytes)
  }

  /**
   * Begins a garbage collection: `marks` and blocks put or asked for with `keep` from now on will
   * survive it. One at a time.
   * @returns the number of the first segment that is too young to be looked at
   */
  beginCollection (marks: BlockSet): Promise<number> {
    this.#marks = marks
    return this.#writer.rotate()
  }

  endCollection (): void { this.#marks = undefined }

  /** Removes all blocks in segments below `youngest` that nobody keeps; yields their keys, batch by batch, when they are gone. */
  async * sweep (youngest: number): AsyncGenerator<string[]> {
    for await (const batch of this.#index.entries()) {
      const dead = batch.filter(({ location }) => location.segment < youngest && !this.#isKept(location))
      if (dead.length === 0) continue
      await this.#remove(dead)
      yield dead.map(({ key }) => key)
    }
  }

  /** Segments below `youngest` that are worth rewriting, first those that need the least room for it. */
  sparseSegments (youngest: number): number[] { return chooseSparse(this.#segments.all().filter(segment => segment.id < youngest)) }

  /**
   * Moves the live blocks of a segment elsewhere and removes its file.
   * @throws ClusterError `STORE_FULL` when there is no room for them; then none is moved
   */
  async compact (id: number, signal: AbortSignal): Promise<void> {
    const segment = this.#segments.get(id)
    if (segment === undefined) return
    if (segment.liveBlocks > 0) {
      // Half of them moved would take space and give none back.
      if ((await this.#writer.freeBytes()).forMoves < segment.liveBytes) throw new ClusterError('STORE_FULL', `the disk under ${this.#options.folder} has no room for the ${segment.liveBytes} bytes that must move before a file of ${segment.sizeBytes} bytes can go: free some space and collect again`)
      await this.#moveAll(segment, signal)
    }
    // Blocks behind a damaged record were not reached: the file stays as long as it is needed.
    if (segment.liveBlocks > 0) return
    await this.#index.forget(segment)
    await this.#segments.remove(segment)
  }

  async close (): Promise<void> {
    await this.#writer.idle()
    await this.#segments.close()
    await this.#index.close()
  }

  #isKept (location: BlockLocation): boolean { return this.#marks?.has(location) === true || this.#leases.has(location) }

  /** Marks the blocks as gone at once, then in the index: nobody can ask for them in between. */
  async #remove (entries: readonly IndexEntry[]): Promise<void> {
    const changes: IndexChange[] = []
    const touched = new Set<Segment>()
    for (const { key, location } of entries) {
      const segment = this.#segments.get(location.segment)
      if (segment === undefined || this.#segments.condemned.has(location)) continue
      this.#segments.condemned.add(location)
      segment.liveBlocks--
      segment.liveBytes -= recordBytes(multihashOfKey(key).length, location.sizeBytes)
      touched.add(segment)
      changes.push({ key, location: undefined })
    }
    await this.#index.write(changes, touched, { sync: false })
  }

  async #giveUp (key: string, location: BlockLocation): Promise<undefined> {
    this.#options.logger.error({ segment: location.segment, offset: location.offset }, 'a block on disk is damaged: it is given up and fetched again; check the disk')
    const [present] = await this.locate([key])
    if (present?.segment !== location.segment || present.ordinal !== location.ordinal) return
    await this.#remove([{ key, location }])
    this.#options.onGivenUp?.(key)
  }

  async #readMoved (key: string, from: BlockLocation): Promise<Uint8Array | undefined> {
    const [location] = await this.locate([key])
    return location === undefined || location.segment === from.segment ? undefined : this.readAt(key, location)
  }

  /** Those behind a damaged record, or in a part of the file that the disk cannot read, stay where they are. */
  async #moveAll (segment: Segment, signal: AbortSignal): Promise<void> {
    const readAt = this.#segments.reader(segment.id)
    const readable: ReadAt = async (offset, length) => {
      try {
        return await readAt(offset, length)
      } catch (error) {
        if (!isUnreadable(error)) throw error
        this.#options.logger.error({ segment: segment.id, offset, length }, 'a part of a file of blocks cannot be read: the file stays as it is; check the disk')
        return Buffer.alloc(0)
      }
    }
    let moves: Array<Promise<unknown>> = []
    let bytes = 0
    for await (const record of scanRecords(readable, segment.sizeBytes)) {
      signal.throwIfAborted()
      const key = blockKey(record.multihash)
      const [location] = await this.locate([key])
      if (location?.segment !== segment.id || location.ordinal !== record.ordinal) continue
      // Copies, because they are views of the scan's buffer, which must not be held as a whole.
      const move = this.#writer.move({ key, multihash: record.multihash.slice(), bytes: record.bytes.slice() }, location)
      // It may fail while the next ones are read; whoever waits for all learns of it.
      move.catch(() => {})
      moves.push(move)
      bytes += record.bytes.length
      if (bytes < moveBytes && moves.length < movesAtOnce) continue
      await Promise.all(moves)
      moves = []
      bytes = 0
    }
    await Promise.all(moves)
  }
}

/** Blocks read at a time: more are not quicker, and each takes memory. */
const readsAtOnce = 64

/** Bytes and blocks under way while a segment is rewritten. */
const moveBytes = 8 * 1024 * 1024
const movesAtOnce = 1000

/** What the disk says of a sector that it has lost: other nodes may have what was there. */
function isUnreadable (error: unknown): boolean { return (error as { code?: string }).code === 'EIO' }

const systemDiskSpace: DiskSpace = async folder => {
  const { blocks, bavail, bsize } = await statfs(folder)
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
}

/** Opens the index; a damaged one is put aside, because the segment files hold all that it knew. */
async function openIndex ({ folder, logger }: BlockStoreOptions): Promise<Awaited<ReturnType<typeof openLevelDbStore>>> {
  const path = join(folder, 'index')
  try {
    return await openLevelDbStore(path)
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'STORE_DAMAGED') throw error
    const aside = `${path}.damaged`
    logger.error({ error: error.message, aside }, 'the index of the blocks is damaged: it is put aside and made anew from the blocks')
    await rm(aside, { recursive: true, force: true })
    await rename(path, aside)
    return openLevelDbStore(path)
  }
}
