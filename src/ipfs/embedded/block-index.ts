import type { Store, StoreOperation } from '../../platform/store.ts'
import type { BlockLocation } from './block-set.ts'
import type { Segment } from './segments.ts'

/** A block and where it now lies; undefined when it is gone. */
export interface IndexChange { readonly key: string, readonly location: BlockLocation | undefined }

export interface IndexEntry { readonly key: string, readonly location: BlockLocation }

/** Version of the layout on disk; its record also tells an index that was begun from none. */
const layoutVersion = Uint8Array.of(1)
const versionKey = 'v'
const blockPrefix = 'b'
const segmentPrefix = 's'
/** The highest number that a segment had which is gone: an entry that was left behind must not come to mean a block of another. */
const highestGoneKey = 'x'

/**
 * Where each block lies, in an ordered store: `b<block key>` for blocks, `s<number>` for what is
 * kept about each segment file, both changed in one batch, so that the counts are never counted.
 * One segment is forgotten at a time.
 */
export class BlockIndex {
  readonly #store: Store
  /** Batches one after the other: the store promises no order to batches under way together. */
  #last: Promise<unknown> = Promise.resolve()

  constructor (store: Store) { this.#store = store }

  async locate (keys: readonly string[]): Promise<Array<BlockLocation | undefined>> {
    const values = await this.#store.getMany(keys.map(key => blockPrefix + key))
    return values.map(value => value === undefined ? undefined : decodeLocation(value))
  }

  /** Writes the changes and the present state of the segments; on disk with `sync`. */
  write (changes: readonly IndexChange[], segments: Iterable<Segment>, options: { readonly sync: boolean }): Promise<void> {
    const operations: StoreOperation[] = changes.map(({ key, location }) => location === undefined
      ? { type: 'del', key: blockPrefix + key }
      : { type: 'put', key: blockPrefix + key, value: encodeLocation(location) })
    for (const segment of segments) operations.push({ type: 'put', key: segmentKey(segment.id), value: encodeSegment(segment) })
    return this.#batch(operations, options)
  }

  /** Its number will not be used again. */
  async forget (segment: Segment): Promise<void> {
    const operations: StoreOperation[] = [{ type: 'del', key: segmentKey(segment.id) }]
    if (segment.id > await this.highestGone()) operations.push({ type: 'put', key: highestGoneKey, value: encodeNumber(segment.id) })
    await this.#batch(operations, { sync: true })
  }

  /** The highest number of a segment that was forgotten; 0 without one. */
  async highestGone (): Promise<number> {
    const value = await this.#store.get(highestGoneKey)
    return value === undefined ? 0 : new DataView(value.buffer, value.byteOffset, 4).getUint32(0)
  }

  /** All blocks as of the call, in batches. */
  async * entries (): AsyncGenerator<IndexEntry[]> {
    for await (const batch of this.#store.iterate({ gt: blockPrefix, lt: segmentPrefix })) {
      yield batch.map(({ key, value }) => ({ key: key.slice(1), location: decodeLocation(value) }))
    }
  }

  /** The segments as they were last written, or undefined when this index was never begun. */
  async segments (): Promise<Segment[] | undefined> {
    if (await this.#store.get(versionKey) === undefined) return undefined
    const segments: Segment[] = []
    for await (const batch of this.#store.iterate({ gt: segmentPrefix, lt: versionKey })) {
      for (const { key, value } of batch) segments.push(decodeSegment(parseInt(key.slice(1), 16), value))
    }
    return segments
  }

  /** Marks the index as begun: what is not in it is not in the store. */
  begin (): Promise<void> { return this.#batch([{ type: 'put', key: versionKey, value: layoutVersion }], { sync: true }) }

  async close (): Promise<void> {
    await this.#last.catch(() => {})
    await this.#store.close()
  }

  #batch (operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    const done = this.#last.catch(() => {}).then(() => this.#store.batch(operations, options))
    this.#last = done
    return done
  }
}

function segmentKey (id: number): string { return segmentPrefix + id.toString(16).padStart(8, '0') }

function encodeNumber (number: number): Uint8Array {
  const value = Buffer.allocUnsafe(4)
  value.writeUInt32BE(number)
  return value
}

function encodeLocation ({ segment, ordinal, offset, sizeBytes }: BlockLocation): Uint8Array {
  const value = Buffer.allocUnsafe(16)
  value.writeUInt32BE(segment, 0)
  value.writeUInt32BE(ordinal, 4)
  value.writeUInt32BE(offset, 8)
  value.writeUInt32BE(sizeBytes, 12)
  return value
}

function decodeLocation (value: Uint8Array): BlockLocation {
  const view = new DataView(value.buffer, value.byteOffset, 16)
  return { segment: view.getUint32(0), ordinal: view.getUint32(4), offset: view.getUint32(8), sizeBytes: view.getUint32(12) }
}

function encodeSegment ({ sizeBytes, records, liveBytes, liveBlocks }: Segment): Uint8Array {
  const value = Buffer.allocUnsafe(16)
  value.writeUInt32BE(sizeBytes, 0)
  value.writeUInt32BE(records, 4)
  value.writeUInt32BE(liveBytes, 8)
  value.writeUInt32BE(liveBlocks, 12)
  return value
}

function decodeSegment (id: number, value: Uint8Array): Segment {
  const view = new DataView(value.buffer, value.byteOffset, 16)
  return { id, sizeBytes: view.getUint32(0), records: view.getUint32(4), liveBytes: view.getUint32(8), liveBlocks: view.getUint32(12), failed: false }
}
