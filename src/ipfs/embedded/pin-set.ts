import { cidFromKey, cidKey, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'

/** A pin as it is kept: how many levels below the CID belong to it, 0 for the block alone, -1 for all. */
export interface KeptPin { readonly cid: Cid, readonly depth: number }

/** Changes written together: one sync for all that came meanwhile. */
const changesPerBatch = 10_000

interface Waiting { readonly operation: StoreOperation, readonly resolve: () => void, readonly reject: (error: unknown) => void }

/**
 * The pins of the node in an ordered store of their own, by CID. Only what was asked for is kept,
 * not what it holds: counting the pins of every block, as Helia does, writes a record for each
 * block of each pin and reads all of them again to unpin.
 */
export class PinSet {
  readonly #store: Store
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined

  constructor (store: Store) { this.#store = store }

  async depth (cid: Cid): Promise<number | undefined> {
    const value = await this.#store.get(cidKey(cid))
    return value === undefined ? undefined : decodeDepth(value)
  }

  /** As {@link depth}, for many. */
  async depths (cids: readonly Cid[]): Promise<Array<number | undefined>> {
    const values = await this.#store.getMany(cids.map(cidKey))
    return values.map(value => value === undefined ? undefined : decodeDepth(value))
  }

  /** Resolves when the pin is on disk. */
  put ({ cid, depth }: KeptPin): Promise<void> { return this.#change({ type: 'put', key: cidKey(cid), value: encodeDepth(depth) }) }

  /** Resolves when the pin is gone from disk. */
  delete (cid: Cid): Promise<void> { return this.#change({ type: 'del', key: cidKey(cid) }) }

  /** All pins as of the call, in batches. */
  list (): AsyncIterable<KeptPin[]> {
    const batches = this.#store.iterate({})
    return (async function * () {
      for await (const batch of batches) yield batch.map(({ key, value }) => ({ cid: cidOfKey(key), depth: decodeDepth(value) }))
    })()
  }

  async close (): Promise<void> {
    await this.#writing
    await this.#store.close()
  }

  #change (operation: StoreOperation): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ operation, resolve, reject })
    this.#writing ??= this.#write()
    return promise
  }

  async #write (): Promise<void> {
    // One turn later, so that the pins of one tick are one group.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, changesPerBatch)
      try {
        await this.#store.batch(group.map(({ operation }) => operation), { sync: true })
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#writing = undefined
  }
}

function cidOfKey (key: string): Cid {
  const cid = cidFromKey(key)
  if (cid === undefined) throw new ClusterError('STORE_DAMAGED', `the pins of the embedded IPFS node hold a key that is no CID: ${key}`)
  return cid
}

function encodeDepth (depth: number): Uint8Array {
  const value = Buffer.allocUnsafe(4)
  value.writeInt32BE(depth)
  return value
}

function decodeDepth (value: Uint8Array): number { return new DataView(value.buffer, value.byteOffset, 4).getInt32(0) }
