import { cidFromBytes, cidToBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Pin } from '../../domain/pin.ts'
import type { ProtobufMessage } from '../../codec/message.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import type { Heads } from './heads.ts'
import { digestBytes } from './keys.ts'
import { packRecords, sequenceKey, unpackRecords, type PackedRecord } from '../../state/record-list.ts'

const prefix = '/flotilla/journal/'
const prefixEnd = '/flotilla/journal0'
/** The highest number that an entry has had. */
const lastKey = '/flotilla/journal-last'
/** The entry that a delta has cut in two, and how many of its intents stand in deltas. */
const cutKey = '/flotilla/journal-cut'
/** The highest priority of what users could see when the last entry was written. */
const seenKey = '/flotilla/journal-seen'
const moveTag = 2
const pinTag = 1
const unpinTag = 0
const digestLength = 32

/** What a user wants of the pinset: durable once journalled, part of a delta soon after. */
export interface Intent {
  readonly cid: Cid
  /** Undefined: the pin is to go. */
  readonly pin: Pin | undefined
  /** The pin as it will stand in the delta; empty for a removal. */
  readonly bytes: Uint8Array
  /** Of a move: a digest of the pin that it gives other holders. Without effect when another one is there. */
  readonly observed?: Uint8Array | undefined
  /** The journal entry that holds it. */
  readonly entry: number
  /** How many intents stand before it in that entry. */
  readonly place: number
}

/** An intent that is in no entry yet. */
type NewIntent = Omit<Intent, 'entry' | 'place'>

export interface JournalOptions {
  readonly store: Store
  readonly clock: Clock
  readonly codec: ProtobufMessage<Pin>
  /** What users have seen of them is kept with the entries: a disk that fails may lose it, and what was changed after it must win over it. */
  readonly heads: Pick<Heads, 'highestSeen' | 'saw'>
  /** Told of each group before its callers are answered. */
  readonly onDurable: (intents: readonly Intent[]) => void
}

interface WaitingGroup {
  readonly intents: NewIntent[]
  /** The opening of the store that its callers have read. */
  readonly opening: number | undefined
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Accepted but not yet published changes. All callers that wait while an earlier write is under
 * way share the next write and its fsync (group commit), so that nobody waits longer when idle
 * and a burst costs few fsyncs. One entry a group; it goes with the delta that took the last of its
 * intents. Which of them are in deltas before that is noted too: made once more after a crash they
 * would pin anew what somebody has unpinned since, or unpin what was pinned again.
 */
export class Journal {
  readonly #store: Store
  readonly #clock: Clock
  readonly #codec: ProtobufMessage<Pin>
  readonly #heads: JournalOptions['heads']
  readonly #onDurable: (intents: readonly Intent[]) => void
  #next = 1
  #group: WaitingGroup | undefined
  /** The group that is being written. */
  #written: WaitingGroup | undefined
  #isWriting = false
  /** CIDs by whether what is being written removes them. */
  #removing: ReadonlyMap<Cid, boolean> = new Map()
  /** The last write failed, and its entry may be on disk. */
  #hasRefused = false
  /** That entry could not be taken off the disk while the next one was being written. */
  #isDropDue = false

  constructor (options: JournalOptions) {
    this.#store = options.store
    this.#clock = options.clock
    this.#codec = options.codec
    this.#heads = options.heads
    this.#onDurable = options.onDurable
  }

  /**
   * Intents of an earlier run that are in no delta yet, in their order. Numbers go on behind all
   * that were ever given: a removal that is not synced yet may still be undone by a failure of the
   * store, and the entries that come back must be older than the new ones. What a process wrote
   * that was killed before its fsync is on disk when this resolves: others act on it from now on.
   */
  async load (): Promise<Intent[]> {
    const intents = await this.stored(Infinity)
    const [last, seen] = (await this.#store.getMany([lastKey, seenKey])).map(value => value === undefined ? 0 : Number(Buffer.from(value).toString()))
    this.#next = Math.max(intents.at(-1)?.entry ?? 0, last ?? 0) + 1
    this.#heads.saw(seen ?? 0)
    if (intents.length > 0) await this.#store.batch([this.#lastOperation()], { sync: true })
    return intents
  }

  /** The last entry that was handed over. */
  get last (): number { return this.#next - 1 }

  /** True when {@link isRemoving} may be. */
  get hasRemovals (): boolean { return this.#removing.size > 0 }

  /** Whether the entry that is being written, the one behind the {@link last}, removes this CID: it will be on disk before any batch that is made now. */
  isRemoving (cid: Cid): boolean { return this.#removing.get(cid) === true }

  /** Whether a change of the CID waits for its write, or is being written: nobody sees it yet. */
  isChanging (cid: Cid): boolean {
    return [this.#written, this.#group].some(group => group?.intents.some(intent => intent.cid === cid) === true)
  }

  /** What the store has of the entries up to `last`, in their order. */
  async stored (last: number): Promise<Intent[]> {
    const intents: Intent[] = []
    const cut = await this.#store.get(cutKey)
    const [cutEntry = 0, done = 0] = cut === undefined ? [] : Buffer.from(cut).toString().split(' ').map(Number)
    for await (const entries of this.#store.iterate({ gte: prefix, lt: prefixEnd })) {
      for (const { key, value } of entries) {
        const entry = Number(key.slice(prefix.length))
        if (entry > last) return intents
        for (const [place, record] of unpackRecords(value).entries()) if (entry !== cutEntry || place >= done) intents.push({ ...this.#read(record), entry, place })
      }
    }
    return intents
  }

  #read ({ tag, payload }: PackedRecord): NewIntent {
    if (tag === unpinTag) return { cid: cidFromBytes(payload), pin: undefined, bytes: nothing }
    const observed = tag === moveTag ? payload.subarray(0, digestLength) : undefined
    const bytes = payload.subarray(observed?.length ?? 0)
    const pin = this.#codec.decodeProtobuf(bytes)
    return { cid: pin.cid, pin, bytes, observed }
  }

  /**
   * Resolves when the intent is on disk: a move when there is an `observed` pin, which it gives other holders.
   * @throws ClusterError `INVALID_WIRE_DATA` for a pin that could not be read again, and what the store throws
   */
  append (cid: Cid, pin: Pin | undefined, observed?: Pin): Promise<void> {
    let intent: NewIntent
    try {
      intent = this.#asStored(cid, pin, observed)
    } catch (error) {
      return Promise.reject(error)
    }
    let group = this.#group
    if (group === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      group = this.#group = { intents: [], opening: this.#store.openings?.(), done: promise, resolve, reject }
      if (!this.#isWriting) this.#clock.soon(() => { this.#write() })
    }
    group.intents.push(intent)
    return group.done
  }

  /** Resolves when all that was appended is on disk (or was refused). */
  async settled (): Promise<void> {
    for (let group = this.#written ?? this.#group; group !== undefined; group = this.#written ?? this.#group) await group.done.catch(() => {})
  }

  /**
   * Takes off the disk what a refused write may have left there. Whoever was refused has made up
   * his mind since: it must not be replayed at some start to come. Resolves when that was tried, or
   * is to be tried after the write that goes on.
   */
  async dropRefused (): Promise<void> {
    this.#isDropDue = this.#hasRefused && this.#isWriting
    if (!this.#hasRefused || this.#isWriting) return
    this.#isWriting = true
    try {
      await this.#store.batch([{ type: 'del', key: prefix + sequenceKey(this.#next) }], { sync: true })
      this.#hasRefused = false
    } catch {
      // The next opening of the store is the next occasion.
    }
    this.#isWriting = false
    this.#write()
  }

  /** What the store has to do when these intents stand in deltas, with all before them; `after` is the first one that still waits. */
  finish (intents: readonly Intent[], after: Intent | undefined): StoreOperation[] {
    const entries = new Set(intents.map(({ entry }) => entry))
    if (after !== undefined) entries.delete(after.entry)
    const operations: StoreOperation[] = [...entries].map(entry => ({ type: 'del', key: prefix + sequenceKey(entry) }))
    if (operations.length > 0) operations.push(this.#lastOperation())
    const isCut = after !== undefined && after.place > 0
    if (isCut) operations.push({ type: 'put', key: cutKey, value: Buffer.from(`${after.entry} ${after.place}`) })
    else if (operations.length > 0) operations.push({ type: 'del', key: cutKey })
    return operations
  }

  #lastOperation (): StoreOperation { return { type: 'put', key: lastKey, value: Buffer.from(String(this.last)) } }

  /**
   * The pin as it reads from the store: readers must not see another one for the time until its delta. One that
   * cannot be read never gets into the journal, from which the next start would have to read it.
   */
  #asStored (cid: Cid, pin: Pin | undefined, observed: Pin | undefined): NewIntent {
    if (pin === undefined) return { cid, pin, bytes: nothing }
    const bytes = this.#codec.encodeProtobuf(pin)
    return { cid, pin: this.#codec.decodeProtobuf(bytes), bytes, observed: observed && pinDigest(this.#codec, observed) }
  }

  #write (): void {
    const group = this.#group
    if (group === undefined || this.#isWriting) return
    this.#group = undefined
    this.#written = group
    this.#isWriting = true
    const entry = this.#next
    const records = group.intents.map(({ cid, pin, bytes, observed }) => {
      if (pin === undefined) return { tag: unpinTag, payload: cidToBytes(cid) }
      return observed === undefined ? { tag: pinTag, payload: bytes } : { tag: moveTag, payload: Buffer.concat([observed, bytes]) }
    })
    // A removal is of what its caller has seen. If the store has lost that meanwhile, the removal
    // would remove nothing, and what comes back from the other peers would stay.
    const hasRemovals = group.intents.some(intent => intent.pin === undefined)
    const opening = hasRemovals ? group.opening : undefined
    if (hasRemovals) this.#removing = new Map(group.intents.filter(({ observed }) => observed === undefined).map(({ cid, pin }) => [cid, pin === undefined]))
    const operations: StoreOperation[] = [
      { type: 'put', key: prefix + sequenceKey(entry), value: packRecords(records) },
      { type: 'put', key: seenKey, value: Buffer.from(String(this.#heads.highestSeen)) },
    ]
    this.#store.batch(operations, { sync: true, opening }).then(
      () => {
        // Only now: the entry of a failed write may be on disk all the same, the next one takes its place.
        this.#next++
        this.#removing = new Map()
        this.#hasRefused = false
        this.#onDurable(group.intents.map((intent, place) => ({ ...intent, entry, place })))
        group.resolve()
      },
      (error: unknown) => {
        this.#removing = new Map()
        this.#hasRefused = true
        const isAnew = opening !== undefined && opening !== this.#store.openings?.()
        group.reject(isAnew ? openedAnew(error) : error)
      },
    ).finally(() => {
      this.#written = undefined
      this.#isWriting = false
      if (this.#isDropDue) void this.dropRefused()
      this.#write()
    })
  }
}

/** Why a removal is refused: what it is to remove may be gone from here, but not from the other peers. */
export function openedAnew (cause?: unknown): ClusterError {
  return new ClusterError('STORE_FAILED', 'the datastore had to be opened anew after a failure, and may lack what is to be removed until the other peers have sent it again: try again', { cause })
}

/** Equal for equal pins, however the bytes were written from which one was read. */
export function pinDigest (codec: ProtobufMessage<Pin>, pin: Pin): Uint8Array { return digestBytes(codec.encodeProtobuf(pin)) }

const nothing = new Uint8Array(0)
