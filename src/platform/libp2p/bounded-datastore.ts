import type { Datastore, Key, KeyQuery, Pair, Query } from 'interface-datastore'

export interface DatastoreBounds {
  readonly maxEntries: number
  readonly maxBytes: number
}

/** What an entry costs beside its bytes. */
const entryBytes = 200

/** What the parts of libp2p that have one here ask of their store. */
export type RecordStore = Pick<Datastore, 'put' | 'get' | 'delete' | 'query' | 'queryKeys' | 'has'>

/** A store of libp2p in memory, for what others may write without end: what was written longest ago gives way. */
export class BoundedDatastore implements RecordStore {
  readonly #bounds: DatastoreBounds
  readonly #entries = new Map<string, { readonly key: Key, readonly value: Uint8Array }>()
  #bytes = 0

  constructor (bounds: DatastoreBounds) { this.#bounds = bounds }

  get size (): number { return this.#entries.size }
  get bytes (): number { return this.#bytes }

  put (key: Key, value: Uint8Array): Key {
    const name = key.toString()
    this.#remove(name)
    this.#entries.set(name, { key, value })
    this.#bytes += cost(name, value)
    const { maxEntries, maxBytes } = this.#bounds
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries && this.#bytes <= maxBytes) break
      if (!this.spares(oldest)) this.#remove(oldest)
    }
    return key
  }

  /** True for what stays however old it is. */
  protected spares (_name: string): boolean { return false }

  get (key: Key): Uint8Array {
    const entry = this.#entries.get(key.toString())
    // libp2p knows this error by its name.
    if (entry === undefined) throw Object.assign(new Error('not found'), { name: 'NotFoundError' })
    return entry.value
  }

  has (key: Key): boolean { return this.#entries.has(key.toString()) }

  delete (key: Key): void { this.#remove(key.toString()) }

  * query ({ prefix = '', filters = [], orders = [], offset = 0, limit = Infinity }: Query): Generator<Pair> {
    const found = [...this.#entries].flatMap(([name, pair]) => name.startsWith(prefix) && filters.every(isWanted => isWanted(pair)) ? pair : [])
    for (const order of orders) found.sort(order)
    yield * found.slice(offset, offset + limit)
  }

  * queryKeys ({ prefix = '', filters = [], orders = [], offset = 0, limit = Infinity }: KeyQuery): Generator<Key> {
    const found = [...this.#entries].flatMap(([name, { key }]) => name.startsWith(prefix) && filters.every(isWanted => isWanted(key)) ? key : [])
    for (const order of orders) found.sort(order)
    yield * found.slice(offset, offset + limit)
  }

  #remove (name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#bytes -= cost(name, entry.value)
  }
}

function cost (name: string, value: Uint8Array): number { return entryBytes + 2 * name.length + value.length }
