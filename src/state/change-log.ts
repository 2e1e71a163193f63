import { cidFromBytes, cidToBytes, type Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'
import type { Clock } from '../platform/clock.ts'
import type { Store, StoreOperation } from '../platform/store.ts'
import { Wake } from '../platform/wake.ts'
import type { ChangeLog, PinsetChange } from './changes.ts'
import { packRecords, sequenceKey, unpackRecords } from './record-list.ts'

const prefix = '/flotilla/changes/'
const prefixEnd = '/flotilla/changes0'
const cursorKey = '/flotilla/cursor'
const lastKey = '/flotilla/last-change'
/** Changes kept in memory for a reader that keeps up; a slower one reads the store. */
const maxTail = 20_000
/** Changes handed over at once when read from the store. */
const changesPerRead = 1_000
/** The cursor goes to disk at most this often: what it would save is only work that is done twice after a crash. */
const cursorDelayMs = 1_000
/** After a failure, as on a full disk: entries that are done with must not wait for the next change. */
const retryDelayMs = 5_000

/** {@link ChangeLog} in a store: one entry a batch, removed when its reader has acknowledged it. */
export class StoredChangeLog implements ChangeLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #getMany: (cids: readonly Cid[]) => Promise<Array<Pin | undefined>>
  #last = 0
  #cursor = 0
  #storedCursor = 0
  #tail: PinsetChange[] = []
  readonly #wake = new Wake()
  #cancelTimer: (() => void) | undefined
  #isStopped = false

  constructor (store: Store, clock: Clock, getMany: (cids: readonly Cid[]) => Promise<Array<Pin | undefined>>) {
    this.#store = store
    this.#clock = clock
    this.#getMany = getMany
  }

  /**
   * Reads where the log stands; also later, when what is on disk may differ from what was thought.
   * A number that the reader may have seen is never given again, also when the disk took its change
   * back: what is acknowledged for the old change would count for the new one.
   */
  async load (): Promise<void> {
    const [cursor, last] = await this.#store.getMany([cursorKey, lastKey])
    this.#tail = []
    this.#storedCursor = readNumber(cursor)
    this.#last = Math.max(this.#last, readNumber(last), this.#storedCursor)
    this.#cursor = Math.max(this.#cursor, this.#storedCursor)
    if (this.#cursor > this.#storedCursor) this.#flushAfter(cursorDelayMs)
    this.#wake.call()
  }

  /** Numbers the changes and says what the store has to write; {@link committed} follows when that is done. */
  append (changes: ReadonlyArray<{ readonly cid: Cid, readonly pin: Pin | undefined }>): { operations: StoreOperation[], numbered: PinsetChange[] } {
    if (changes.length === 0) return { operations: [], numbered: [] }
    const first = this.#last + 1
    const numbered = changes.map((change, i) => ({ sequence: first + i, cid: change.cid, pin: change.pin }))
    const records = changes.map(change => ({ tag: change.pin === undefined ? 0 : 1, payload: cidToBytes(change.cid) }))
    return {
      operations: [
        { type: 'put', key: prefix + sequenceKey(first), value: packRecords(records) },
        { type: 'put', key: lastKey, value: writeNumber(this.#last + changes.length) },
      ],
      numbered,
    }
  }

  committed (numbered: readonly PinsetChange[]): void {
    const last = numbered.at(-1)
    if (last === undefined) return
    this.#last = last.sequence
    for (const change of numbered) this.#tail.push(change)
    if (this.#tail.length > maxTail) this.#tail = this.#tail.slice(-maxTail)
    this.#wake.call()
  }

  async * read ({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<PinsetChange[]> {
    let next = this.#cursor + 1
    while (!signal.aborted) {
      const first = this.#tail[0]?.sequence ?? Infinity
      if (next > this.#last) {
        await this.#wake.rest(signal)
      } else if (first <= next) {
        const batch = this.#tail.slice(next - first, next - first + changesPerRead)
        next += batch.length
        yield batch
      } else {
        const last = Math.min(first - 1, this.#last)
        for await (const batch of this.#stored(next, last)) {
          yield batch
          if (signal.aborted) return
          next = (batch.at(-1) as PinsetChange).sequence + 1
        }
        // A hole is where entries were acknowledged, or taken back by the disk: go on behind it.
        next = Math.max(next, last + 1)
      }
    }
  }

  acknowledge (sequence: number): void {
    if (sequence <= this.#cursor) return
    this.#cursor = sequence
    const first = this.#tail[0]?.sequence
    if (first !== undefined && sequence - first >= maxTail / 4) this.#tail = this.#tail.slice(sequence - first + 1)
    this.#flushAfter(cursorDelayMs)
  }

  /** Writes the cursor once more. A failure is no loss: the work is done again after a restart. */
  async stop (): Promise<void> {
    this.#isStopped = true
    await this.flush().catch(() => {})
  }

  #flushAfter (delayMs: number): void {
    this.#cancelTimer ??= this.#clock.after(delayMs, () => {
      this.#cancelTimer = undefined
      this.flush().catch(() => { if (!this.#isStopped) this.#flushAfter(retryDelayMs) })
    })
  }

  /** Writes the cursor and drops what lies before it. */
  async flush (): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#cursor === this.#storedCursor) return
    const cursor = this.#cursor
    const operations: StoreOperation[] = [{ type: 'put', key: cursorKey, value: writeNumber(cursor) }]
    let previous: string | undefined
    for await (const keys of this.#store.keys({ gte: prefix, lte: prefix + sequenceKey(cursor + 1) })) {
      for (const key of keys) {
        // An entry may go when the next one begins at or before the first change not acknowledged.
        if (previous !== undefined) operations.push({ type: 'del', key: previous })
        previous = key
      }
    }
    if (previous !== undefined && Number(previous.slice(prefix.length)) <= cursor && cursor >= this.#last) operations.push({ type: 'del', key: previous })
    await this.#store.batch(operations, { sync: false })
    this.#storedCursor = cursor
  }

  async * #stored (from: number, to: number): AsyncGenerator<PinsetChange[]> {
    let start = prefix + sequenceKey(from)
    for await (const [key] of this.#store.keys({ gte: prefix, lte: start, reverse: true, limit: 1 })) start = key ?? start
    for await (const entries of this.#store.iterate({ gte: start, lt: prefixEnd })) {
      for (const { key, value } of entries) {
        const first = Number(key.slice(prefix.length))
        if (first > to) return
        const records = unpackRecords(value)
        for (let at = Math.max(0, from - first); at < records.length && first + at <= to; at += changesPerRead) {
          const part = records.slice(at, Math.min(at + changesPerRead, to - first + 1))
          const cids = part.map(record => cidFromBytes(record.payload))
          const pins = await this.#getMany(cids)
          yield cids.map((cid, i) => ({ sequence: first + at + i, cid, pin: pins[i] }))
        }
      }
    }
  }
}

function writeNumber (value: number): Uint8Array { return new TextEncoder().encode(String(value)) }
function readNumber (bytes: Uint8Array | undefined): number { return bytes === undefined ? 0 : Number(new TextDecoder().decode(bytes)) }
