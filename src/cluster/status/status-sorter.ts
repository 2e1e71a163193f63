import type { MsgpackMessage } from '../../codec/message.ts'
import { cidKey } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PinInfo } from '../../domain/status.ts'
import type { Startable } from '../../platform/lifecycle.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'

const prefix = '/flotilla/sort/'
const prefixEnd = '/flotilla/sort0'
/** Statuses that are sorted in memory, some 10 MB; more go through the store. */
const mostInMemory = 20_000
/** The same in bytes: whoever lists them chooses how long they are. */
const mostBytesInMemory = 16 * 1024 * 1024
/** Statuses of one write to the store, and their bytes. */
const writeSize = 1_000
const writeBytes = 1024 * 1024
/** Statuses per step of the result. */
const batchSize = 256

export interface StatusSorterParts {
  /** Where long lists are sorted. Of this peer, so that they need no memory; emptied of what a crash left. */
  readonly store: Store
  readonly codec: MsgpackMessage<PinInfo>
  /** Statuses that are sorted in memory; the default is right but for tests. */
  readonly mostInMemory?: number
}

/**
 * Brings the statuses of a peer that promises no order into that of `compareCids`, at constant
 * memory. Of several for one CID the last counts.
 */
export class StatusSorter implements Startable {
  readonly #parts: StatusSorterParts
  #lists = 0

  constructor (parts: StatusSorterParts) { this.#parts = parts }

  async start (): Promise<void> { await this.#parts.store.clear({ gte: prefix, lt: prefixEnd }) }
  async stop (): Promise<void> {}

  /**
   * Reads all of `infos` before the first result. When `infos` ends with an error, so does the result, after what was read.
   * @throws ClusterError `TOO_LARGE`, in the same way, when `infos` have more than `mostBytes`
   */
  async * sorted (infos: AsyncIterable<readonly PinInfo[]>, mostBytes = Infinity): AsyncGenerator<PinInfo[]> {
    const limit = this.#parts.mostInMemory ?? mostInMemory
    const kept = new Map<string, PinInfo>()
    let keptBytes = 0
    let bytes = 0
    const list = `${prefix}${this.#lists++}/`
    let isStored = false
    let failure: { readonly error: unknown } | undefined
    try {
      try {
        for await (const batch of infos) {
          for (const info of batch) {
            const key = cidKey(info.cid)
            const before = kept.get(key)
            const size = roughSize(info)
            kept.set(key, info)
            keptBytes += size - (before === undefined ? 0 : roughSize(before))
            bytes += size
          }
          if (bytes > mostBytes) throw new ClusterError('TOO_LARGE', `its list has more than ${mostBytes} bytes`)
          if (kept.size < (isStored ? writeSize : limit) && keptBytes < (isStored ? writeBytes : mostBytesInMemory)) continue
          isStored = true
          await this.#write(list, kept)
          keptBytes = 0
        }
      } catch (error) {
        failure = { error }
      }
      if (!isStored) yield * inOrder(kept)
      else {
        await this.#write(list, kept)
        yield * this.#read(list)
      }
      if (failure !== undefined) throw failure.error
    } finally {
      if (isStored) await this.#parts.store.clear(rangeOf(list))
    }
  }

  async #write (list: string, kept: Map<string, PinInfo>): Promise<void> {
    const operations: StoreOperation[] = []
    for (const [key, info] of kept) operations.push({ type: 'put', key: list + key, value: this.#parts.codec.encodeMsgpack(info) })
    kept.clear()
    for (let at = 0; at < operations.length; at += writeSize) await this.#parts.store.batch(operations.slice(at, at + writeSize), { sync: false })
  }

  async * #read (list: string): AsyncGenerator<PinInfo[]> {
    for await (const entries of this.#parts.store.iterate(rangeOf(list))) yield entries.map(({ value }) => this.#parts.codec.decodeMsgpack(value))
  }
}

function * inOrder (kept: ReadonlyMap<string, PinInfo>): Generator<PinInfo[]> {
  const keys = [...kept.keys()].toSorted()
  for (let at = 0; at < keys.length; at += batchSize) yield keys.slice(at, at + batchSize).map(key => kept.get(key) as PinInfo)
}

/** Bytes of what a peer may make as long as it likes, with something for the rest. */
function roughSize ({ name, error, peername, metadata, allocations, origins, ipfsPeerAddresses }: PinInfo): number {
  let size = 256 + name.length + error.length + peername.length + 64 * (allocations?.length ?? 0)
  for (const address of origins ?? []) size += address.length
  for (const address of ipfsPeerAddresses ?? []) size += address.length
  for (const [key, value] of Object.entries(metadata ?? {})) size += key.length + value.length
  return size
}

function rangeOf (list: string): { readonly gte: string, readonly lt: string } {
  return { gte: list, lt: `${list.slice(0, -1)}0` }
}
