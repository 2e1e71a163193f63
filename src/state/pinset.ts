import { cidFromKey, cidKey, type Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import type { ProtobufMessage } from '../codec/message.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Store, StoreEntry, StoreOperation, StoreRange } from '../platform/store.ts'
import { SetDigest } from './digest.ts'
import { listedPin, PinOfStore } from './listed-pin.ts'
import { mergeOrdered } from './merge-ordered.ts'
import { allocatedRange, clusterDagRange, expiredCid, expiredRange, expiryRange, heldRange, holderOf, indexKeys } from './pin-index.ts'
import { restingEntries } from './resting-entries.ts'
import type { ListedPin, PinsetQuery, StateStore, StoredPin } from './state-store.ts'

const formatKey = '/flotilla/format'
const countKey = '/flotilla/count'
const digestKey = '/flotilla/digest'
/** Grows when the form of our own keys changes: they are made anew then. */
const format = '4'
/** Writes of one step while the index of a folder from the Go program is built. */
const indexStep = 5_000
/** Expired pins that are read from the index at once. */
const expiredPerStep = 500

/** A value of the replica that became another, as pin and as bytes; undefined where there is none. */
export interface StoredChange {
  readonly cid: Cid
  readonly pin: Pin | undefined
  readonly value: Uint8Array | undefined
  readonly previous: Pin | undefined
  readonly previousValue: Uint8Array | undefined
}

export interface LoadOptions {
  /** False: what is kept beside the pins is made anew. */
  readonly isTrusted?: boolean
  /** Called with 0 when that begins, and then after some hundred pins with the number of those that were looked at. */
  readonly onScan?: (pins: number) => void
}

/** Count and digest as they will be. */
export interface PinsetFigures { readonly count: number, readonly digest: SetDigest }

/** A change that is durable but not yet in the store's own keys; reads see it first. */
export interface PendingChange { readonly cid: Cid, readonly pin: Pin | undefined }

export interface PinsetOptions {
  readonly store: Store
  readonly clock: Clock
  readonly codec: ProtobufMessage<Pin>
  /** Values stand at `<valuePrefix><CID key>/v`, their priorities at `…/p` (spec/wire.md 7). */
  readonly valuePrefix: string
}

/** {@link StateStore} over the values of the replica, with indexes by holder, by expiry and of cluster DAGs, and count and digest that are kept. */
export class Pinset implements StateStore {
  readonly #store: Store
  readonly #clock: Clock
  readonly #codec: ProtobufMessage<Pin>
  readonly #valuePrefix: string
  readonly #pending = new Map<Cid, PendingChange>()
  #figures: PinsetFigures = { count: 0, digest: new SetDigest() }

  constructor (options: PinsetOptions) {
    this.#store = options.store
    this.#clock = options.clock
    this.#codec = options.codec
    this.#valuePrefix = options.valuePrefix
  }

  /**
   * Reads count and digest; a folder without our keys (new, or from the Go program) gets them by
   * one scan, and so does one whose keys are not to be trusted. What is no pin of its key goes then:
   * the Go program stores whatever comes, and readers of the values expect pins.
   */
  async load ({ isTrusted = true, onScan = () => {} }: LoadOptions = {}): Promise<void> {
    const [stored, count, digest] = await this.#store.getMany([formatKey, countKey, digestKey])
    if (isTrusted && stored !== undefined && new TextDecoder().decode(stored) === format && count !== undefined && digest !== undefined) {
      this.#figures = { count: Number(new TextDecoder().decode(count)), digest: new SetDigest(digest) }
      return
    }
    onScan(0)
    for (const range of [allocatedRange, expiryRange, clusterDagRange]) await this.#store.clear(range)
    let counted = 0
    const scanned = new SetDigest()
    let operations: StoreOperation[] = []
    for await (const entries of this.#values({})) {
      for (const { key, value } of entries) {
        const pin = this.#decode(value)
        if (pin === undefined || cidKey(pin.cid) !== key) {
          for (const end of ['v', 'p']) operations.push({ type: 'del', key: `${this.#valuePrefix}${key}/${end}` })
          continue
        }
        counted++
        scanned.add(key, value)
        for (const key of indexKeys(pin)) operations.push({ type: 'put', key, value: nothing })
      }
      if (operations.length >= indexStep) {
        await this.#store.batch(operations, { sync: false })
        operations = []
      }
      if (counted > 0) onScan(counted)
    }
    this.#figures = { count: counted, digest: scanned }
    await this.#store.batch([...operations, ...keptOperations(this.#figures), { type: 'put', key: formatKey, value: new TextEncoder().encode(format) }], { sync: true })
  }

  async get (cid: Cid): Promise<Pin | undefined> {
    const pending = this.#pending.get(cid)
    if (pending !== undefined) return pending.pin
    const value = await this.#value(cid)
    return value === undefined ? undefined : this.#decode(value)
  }

  async getMany (cids: readonly Cid[]): Promise<Array<Pin | undefined>> {
    const pending = cids.map(cid => this.#pending.get(cid))
    const values = await this.#store.getMany(cids.map(cid => this.valueKey(cid)))
    return values.map((value, i) => {
      const change = pending[i]
      if (change !== undefined) return change.pin
      return value === undefined ? undefined : this.#decode(value)
    })
  }

  async has (cid: Cid): Promise<boolean> {
    const pending = this.#pending.get(cid)
    if (pending !== undefined) return pending.pin !== undefined
    return await this.#value(cid) !== undefined
  }

  count (): number { return this.#figures.count }

  /** A digest of the stored pins that does not depend on their order, as hex: equal on peers with equal pinsets. */
  digest (): string { return this.#figures.digest.toString() }

  list (query: PinsetQuery): AsyncIterable<Pin[]> {
    return mapBatches(this.listStored(query), entry => 'pin' in entry ? entry.pin : this.#codec.decodeProtobuf(entry.value), query)
  }

  listStored (query: PinsetQuery): AsyncIterable<StoredPin[]> {
    return this.#overlaid<StoredPin>(query, ({ value }) => ({ value }), pin => ({ pin }))
  }

  listBoth (query: Omit<PinsetQuery, 'types'>): AsyncIterable<ListedPin[]> {
    const listed = this.#overlaid<ListedPin>(query, entry => new PinOfStore(entry, this.#codec), listedPin)
    return query.limit === undefined ? listed : mapBatches(listed, pin => pin, query)
  }

  allocatedTo (peer: PeerId, query: PinsetQuery): AsyncIterable<Cid[]> {
    return this.#indexed(heldRange(peer, query.after), query, pin => pin?.allocations?.includes(peer) === true)
  }

  clusterDags (options: CallOptions): AsyncIterable<Cid[]> {
    return this.#indexed(clusterDagRange, options, pin => pin?.type === 'clusterdag-pin')
  }

  async holders (limit: number): Promise<PeerId[]> {
    const found = new Set([...this.#pending.values()].flatMap(change => change.pin?.allocations ?? []))
    for (let range = allocatedRange; found.size < limit;) {
      let first: string | undefined
      for await (const [key] of this.#store.keys({ ...range, limit: 1 })) first = key
      if (first === undefined) break
      const { peer, next } = holderOf(first)
      found.add(peer)
      range = { ...range, gte: next }
    }
    return [...found].slice(0, limit)
  }

  async * expired (now: Time, { signal }: CallOptions): AsyncGenerator<Cid[]> {
    const { gte, lt } = expiredRange(now)
    // Each step from the store anew: who removes them may take hours, and the disk keeps for a reader all that was there when it began.
    for (let range: StoreRange = { gte, lt }; ;) {
      const keys = (await Array.fromAsync(this.#store.keys({ ...range, limit: expiredPerStep }))).flat()
      signal?.throwIfAborted()
      const last = keys.at(-1)
      if (last === undefined) return
      yield keys.flatMap(key => expiredCid(key) ?? [])
      range = { gt: last, lt }
    }
  }

  valueKey (cid: Cid): string { return `${this.#valuePrefix}${cidKey(cid)}/v` }

  /** Shows a durable change to readers before the store's own keys have it. */
  showPending (change: PendingChange): void { this.#pending.set(change.cid, change) }

  /** The store has it now (unless a newer one came). */
  dropPending (change: PendingChange): void {
    if (this.#pending.get(change.cid) === change) this.#pending.delete(change.cid)
  }

  /** The last durable change of the CID that the store's own keys do not have yet. */
  pending (cid: Cid): PendingChange | undefined { return this.#pending.get(cid) }

  pendingCount (): number { return this.#pending.size }

  /** What indexes, count and digest need when values change; {@link applied} follows when it is written. */
  operations (changes: readonly StoredChange[]): { operations: StoreOperation[], figures: PinsetFigures } {
    const operations: StoreOperation[] = []
    let { count } = this.#figures
    const digest = this.#figures.digest.copy()
    for (const { cid, pin, value, previous, previousValue } of changes) {
      count += (pin === undefined ? 0 : 1) - (previous === undefined ? 0 : 1)
      const key = cidKey(cid)
      if (pin !== undefined && value !== undefined) digest.add(key, value)
      if (previous !== undefined && previousValue !== undefined) digest.remove(key, previousValue)
      const before = new Set(indexKeys(previous))
      const after = new Set(indexKeys(pin))
      for (const key of before.difference(after)) operations.push({ type: 'del', key })
      for (const key of after.difference(before)) operations.push({ type: 'put', key, value: nothing })
    }
    const figures = { count, digest }
    if (changes.length > 0) operations.push(...keptOperations(figures))
    return { operations, figures }
  }

  applied (figures: PinsetFigures): void { this.#figures = figures }

  /** CIDs whose keys stand in that range of an index, in which those of pins are for which `isIn`. */
  #indexed ({ prefixLength, ...range }: StoreRange & { readonly prefixLength: number }, query: PinsetQuery, isIn: (pin: Pin | undefined) => boolean): AsyncIterable<Cid[]> {
    const pending = this.#pendingAfter(query.after).map(({ cid, pin }) => ({ key: cidKey(cid), item: isIn(pin) ? cid : undefined }))
    const merged = mergeOrdered(this.#store.keys(range), key => ({ key: key.slice(prefixLength), item: cidFromKey(key.slice(prefixLength)) }), pending, query.signal)
    return mapBatches(merged, cid => cid, query)
  }

  /** Undefined for what is no pin: the Go program stores whatever comes. */
  #decode (value: Uint8Array): Pin | undefined {
    try {
      return this.#codec.decodeProtobuf(value)
    } catch {
      return undefined
    }
  }

  #value (cid: Cid): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    try {
      return this.#store.getSync(this.valueKey(cid))
    } catch {
      // The store is being opened anew, or is in trouble: the other way waits, or tells.
      return this.#store.get(this.valueKey(cid))
    }
  }

  #pendingAfter (after: Cid | undefined): PendingChange[] {
    const from = after === undefined ? '' : cidKey(after)
    return [...this.#pending.values()].filter(change => cidKey(change.cid) > from)
  }

  /** What is stored, with the changes that are durable but not in the store yet laid over it. */
  #overlaid<T> ({ after, signal }: PinsetQuery, fromStore: (entry: StoreEntry) => T, fromPending: (pin: Pin) => T): AsyncIterable<T[]> {
    const pending = this.#pendingAfter(after).map(({ cid, pin }) => ({ key: cidKey(cid), item: pin && fromPending(pin) }))
    return mergeOrdered(this.#values(after === undefined ? {} : { after }), entry => ({ key: entry.key, item: fromStore(entry) }), pending, signal)
  }

  /** Value entries, their keys cut down to the CID key. */
  #values (query: { after?: Cid }): AsyncIterable<StoreEntry[]> {
    const prefix = this.#valuePrefix
    const range = { gt: query.after === undefined ? prefix : this.valueKey(query.after), lt: `${prefix.slice(0, -1)}0` }
    const entries = restingEntries(this.#store, range, this.#clock)
    return valuesOnly(entries, prefix.length)
  }
}

const nothing = new Uint8Array(0)

async function * valuesOnly (entries: AsyncIterable<StoreEntry[]>, prefixLength: number): AsyncGenerator<StoreEntry[]> {
  for await (const step of entries) {
    const values: StoreEntry[] = []
    for (const { key, value } of step) {
      if (key.endsWith('/v')) values.push({ key: key.slice(prefixLength, -2), value })
    }
    if (values.length > 0) yield values
  }
}

/** Converts batches, keeps the wanted types and stops at the limit. */
async function * mapBatches<S, T> (batches: AsyncIterable<S[]>, convert: (item: S) => T, query: PinsetQuery): AsyncGenerator<T[]> {
  let left = query.limit ?? Infinity
  for await (const batch of batches) {
    let items = batch.map(convert)
    const types = query.types
    if (types !== undefined) items = items.filter(item => types.has((item as Pin).type))
    if (items.length > left) items = items.slice(0, left)
    left -= items.length
    if (items.length > 0) yield items
    if (left === 0) return
  }
}

function keptOperations ({ count, digest }: PinsetFigures): StoreOperation[] {
  return [
    { type: 'put', key: countKey, value: new TextEncoder().encode(String(count)) },
    { type: 'put', key: digestKey, value: digest.bytes() },
  ]
}
