import type { Datastore, Key, KeyQuery, Pair, Query } from 'interface-datastore'
import { ProtobufReader } from '../../codec/protobuf.ts'
import { selectIpnsRecord } from './ipns-record.ts'

/** What other peers may leave here. A record is at most 10 KiB, a note of who has what a few bytes. */
const maxEntries = 16_384
const maxBytes = 16 * 1024 * 1024
/** What an entry costs beside its bytes. */
const entryBytes = 200

/** What libp2p's table asks of its store. */
export type RecordStore = Pick<Datastore, 'put' | 'get' | 'delete' | 'query' | 'queryKeys' | 'has'>

/**
 * The records of a Kademlia table, in memory. Peers can write without end: the oldest give way. A
 * record of a name does not take the place of a newer one, which libp2p does not look at.
 */
export class DhtRecords implements RecordStore {
  readonly #entries = new Map<string, { readonly key: Key, readonly value: Uint8Array }>()
  #bytes = 0

  get size (): number { return this.#entries.size }
  get bytes (): number { return this.#bytes }

  put (key: Key, value: Uint8Array): Key {
    const name = key.toString()
    const before = this.#entries.get(name)
    if (before !== undefined && isNewer(before.value, value)) return key
    this.#remove(name)
    this.#entries.set(name, { key, value })
    this.#bytes += cost(name, value)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries && this.#bytes <= maxBytes) break
      this.#remove(oldest)
    }
    return key
  }

  get (key: Key): Uint8Array {
    const entry = this.#entries.get(key.toString())
    // libp2p knows this error by its name.
    if (entry === undefined) throw Object.assign(new Error('not found'), { name: 'NotFoundError' })
    return entry.value
  }

  has (key: Key): boolean { return this.#entries.has(key.toString()) }

  delete (key: Key): void { this.#remove(key.toString()) }

  * query ({ prefix = '' }: Query): Generator<Pair> {
    for (const [name, { key, value }] of this.#entries) if (name.startsWith(prefix)) yield { key, value }
  }

  * queryKeys ({ prefix = '' }: KeyQuery): Generator<Key> {
    for (const { key } of this.query({ prefix })) yield key
  }

  #remove (name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#bytes -= cost(name, entry.value)
  }
}

function cost (name: string, value: Uint8Array): number { return entryBytes + 2 * name.length + value.length }

/** True when both are records of a name, and the first is the newer one. */
function isNewer (held: Uint8Array, offered: Uint8Array): boolean {
  const [a, b] = [ipnsRecordIn(held), ipnsRecordIn(offered)]
  return a !== undefined && b !== undefined && Buffer.compare(a, b) !== 0 && selectIpnsRecord([a, b]) === 0
}

/** What a record of the DHT holds, if its key is a name. */
function ipnsRecordIn (record: Uint8Array): Uint8Array | undefined {
  const reader = new ProtobufReader(record)
  let [key, value]: Array<Uint8Array | undefined> = []
  try {
    while (reader.at < reader.end) {
      const tag = reader.varint()
      if (tag === (1 << 3 | 2)) key = reader.view()
      else if (tag === (2 << 3 | 2)) value = reader.view()
      else reader.skip(tag % 8)
    }
  } catch {
    return undefined // A note of who has what: a moment.
  }
  return key !== undefined && Buffer.from(key.subarray(0, 6)).toString('latin1') === '/ipns/' ? value : undefined
}
