import { ClusterError } from '../domain/errors.ts'
import type { BatchOptions, Store, StoreEntry, StoreOperation, StoreRange } from '../platform/store.ts'
import { never, type PeerClock } from './peer-clock.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SortedMap } from './sorted-map.ts'

/** Entries per step of an iteration: few, so that much happens between two steps. */
const entriesPerStep = 64
/** Batches that the disk may not have yet; with more the system writes the oldest by itself. */
const maxUnsynced = 500
/** How often a read waits a turn: enough to mix up those who believe that it never does. */
const readWaits = 0.05

/** How a disk behaves; changed while it is in use. */
export interface DiskConditions {
  isFull: boolean
  /** Time of a write without and of what fsync adds, at most, in milliseconds. */
  writeMs: number
  syncMs: number
  /** Probability that a batch fails though there is room; a read fails a tenth as often. */
  failure: number
}

/** What is taken back when a batch has to go: each key with the value before. */
type Undo = Array<readonly [key: string, previous: Uint8Array | undefined]>

/**
 * The disk under a peer's store, which outlives the peer's processes. It keeps what was synced;
 * of what came after, a loss of power leaves the batches up to some moment, whole and in order, as
 * LevelDB's log does.
 */
export class SimulatedDisk {
  readonly conditions: DiskConditions = { isFull: false, writeMs: 0.2, syncMs: 4, failure: 0 }
  readonly #random: SeededRandom
  #values = new SortedMap()
  #unsynced: Undo[] = []
  #failed: readonly StoreOperation[] | undefined
  #isDamaged = false
  #version = 0
  openings = 1
  /** Called when batches are taken back. */
  onTakenBack: () => void = () => {}

  constructor (random: SeededRandom) { this.#random = random }

  /**
   * The store, for one process.
   * @throws ClusterError `STORE_DAMAGED`, `STORE_FULL`
   */
  open (clock: PeerClock): Store {
    if (this.#isDamaged) throw new ClusterError('STORE_DAMAGED', 'the datastore is damaged: move it away and let the peer sync from the others')
    if (this.conditions.isFull) throw isFull()
    this.#failed = undefined
    return new SimulatedStore(this, this.#random, clock)
  }

  /** The process died, the machine did not: what was written is there. A batch under way may be. */
  killProcess (): void { this.#failed = undefined }

  /** The machine lost power; answers how many batches went with it. */
  losePower (): number {
    const kept = this.#random.integer(this.#unsynced.length + 1)
    const lost = this.#unsynced.length - kept
    this.#rollBack(kept)
    return lost
  }

  damage (): void { this.#isDamaged = true }

  wipe (): void {
    this.#version++
    this.#values = new SortedMap()
    this.#unsynced = []
    this.#failed = undefined
    this.#isDamaged = false
  }

  /** What it holds is lost with the next start. */
  get isDamaged (): boolean { return this.#isDamaged }
  get values (): SortedMap { return this.#values }
  /** Grows whenever the contents may have changed. */
  get version (): number { return this.#version }

  /** The keys that a loss of power now could take back or change. */
  unsyncedKeys (): Set<string> { return new Set(this.#unsynced.flatMap(undo => undo.map(([key]) => key))) }

  /** Throws when the batch cannot be written: it may be there all the same after {@link reopen}. */
  write (operations: readonly StoreOperation[]): void {
    const { failure } = this.conditions
    if (this.conditions.isFull || (operations.length > 0 && this.#random.chance(failure))) {
      this.#failed ??= operations
      throw this.conditions.isFull ? isFull() : new ClusterError('STORE_FAILED', 'the disk could not be written')
    }
    this.#apply(operations)
  }

  get mustReopen (): boolean { return this.#failed !== undefined }

  /** After a failed batch: nobody knows what the next opening finds of it and of what was not synced. */
  reopen (): void {
    const failed = this.#failed ?? []
    this.#failed = undefined
    this.openings++
    const fate = this.#random.integer(3)
    if (fate === 0) this.#apply(failed)
    if (fate === 1) this.#rollBack(0)
    this.sync()
  }

  sync (): void { this.#unsynced = [] }

  #apply (operations: readonly StoreOperation[]): void {
    this.#version++
    const undo: Undo = []
    for (const operation of operations) {
      undo.push([operation.key, this.#values.get(operation.key)])
      if (operation.type === 'put') this.#values.set(operation.key, operation.value)
      else this.#values.delete(operation.key)
    }
    this.#unsynced.push(undo)
    if (this.#unsynced.length > maxUnsynced) this.#unsynced.shift()
  }

  #rollBack (kept: number): void {
    this.#version++
    const lost = this.#unsynced.splice(kept)
    if (lost.length > 0) this.onTakenBack()
    for (const undo of lost.toReversed()) {
      for (const [key, previous] of undo.toReversed()) {
        if (previous === undefined) this.#values.delete(key)
        else this.#values.set(key, previous)
      }
    }
  }
}

function isFull (): ClusterError { return new ClusterError('STORE_FULL', 'the disk is full: free space, the peer goes on by itself') }

/** One process's view of its disk. */
class SimulatedStore implements Store {
  readonly #disk: SimulatedDisk
  readonly #random: SeededRandom
  readonly #clock: PeerClock
  readonly #listeners: Array<() => void> = []
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor (disk: SimulatedDisk, random: SeededRandom, clock: PeerClock) {
    this.#disk = disk
    this.#random = random
    this.#clock = clock
  }

  async get (key: string): Promise<Uint8Array | undefined> {
    await this.#mayWait()
    return this.#disk.values.get(key)
  }

  getSync (key: string): Uint8Array | undefined {
    this.#refuseClosed()
    this.#mayFail()
    return this.#disk.values.get(key)
  }

  async getMany (keys: readonly string[]): Promise<Array<Uint8Array | undefined>> {
    await this.#mayWait()
    return keys.map(key => this.#disk.values.get(key))
  }

  batch (operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    const done = this.#last.then(() => this.#write(operations, options))
    this.#last = done.catch(() => {})
    return done
  }

  iterate (range: StoreRange): AsyncIterable<StoreEntry[]> {
    return this.#steps(this.#disk.values.range(range).map(key => ({ key, value: this.#disk.values.get(key) as Uint8Array })))
  }

  keys (range: StoreRange): AsyncIterable<string[]> { return this.#steps(this.#disk.values.range(range)) }

  async keysUnder (prefixes: readonly string[], limitEach: number): Promise<string[][]> {
    await this.#mayWait()
    return prefixes.map(prefix => this.#disk.values.range({ gte: prefix, lt: `${prefix}\u007f`, limit: limitEach }))
  }

  async clear (range: StoreRange): Promise<void> {
    const keys = this.#disk.values.range(range)
    if (keys.length > 0) await this.batch(keys.map(key => ({ type: 'del', key })), { sync: false })
  }

  openings (): number { return this.#disk.openings }
  onOpenedAnew (listener: () => void): void { this.#listeners.push(listener) }

  async close (): Promise<void> {
    await this.#last
    this.#isClosed = true
  }

  /** Written at some moment of the wait: whoever kills the process in between cannot know. */
  async #write (operations: readonly StoreOperation[], { sync, opening }: BatchOptions): Promise<void> {
    this.#refuseClosed()
    const { writeMs, syncMs } = this.#disk.conditions
    if (writeMs >= 1 || sync) await this.#wait(this.#random.fraction() * writeMs)
    if (this.#clock.isDead) return never
    if (this.#disk.mustReopen && !this.#disk.conditions.isFull) {
      this.#disk.reopen()
      for (const listener of this.#listeners) listener()
    }
    if (opening !== undefined && opening !== this.#disk.openings) throw new ClusterError('STORE_FAILED', 'the datastore was opened anew meanwhile')
    this.#disk.write(operations)
    if (!sync) return
    await this.#wait(this.#random.fraction() * syncMs)
    this.#disk.sync()
  }

  async * #steps<T> (all: T[]): AsyncGenerator<T[]> {
    for (let at = 0; at < all.length; at += entriesPerStep) {
      await this.#mayWait()
      yield all.slice(at, at + entriesPerStep)
    }
  }

  #mayWait (): Promise<void> | undefined {
    if (this.#clock.isDead) return never
    this.#refuseClosed()
    this.#mayFail()
    return this.#random.chance(readWaits) ? this.#wait(0) : undefined
  }

  #mayFail (): void {
    const { failure } = this.#disk.conditions
    if (failure > 0 && this.#random.chance(failure / 10)) throw new ClusterError('STORE_FAILED', 'the disk could not be read')
  }

  #wait (timeMs: number): Promise<void> {
    return new Promise(resolve => { this.#clock.after(timeMs, resolve) })
  }

  #refuseClosed (): void {
    if (this.#isClosed) throw new ClusterError('STORE_FAILED', 'the datastore is closed')
  }
}
