import { ClusterError } from '../../domain/errors.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { BatchOptions, Store, StoreOperation } from '../../platform/store.ts'

/** What a failed batch left on disk, as the next opening finds it. */
export type Fate = 'nothing' | 'all' | 'nothing since the last sync'

/** A store whose batches fail when told, and which is opened anew before the next one. */
export class FaultyStore implements Store {
  #onDisk: Store = memoryStore()
  #written: Array<readonly StoreOperation[]> = []
  #synced = 0
  #failed: { readonly operations: readonly StoreOperation[], readonly fate: Fate } | undefined
  #openings = 1
  #listeners: Array<() => void> = []
  #last: Promise<unknown> = Promise.resolve()
  /** The fates of batches to come; undefined: it succeeds. */
  faults: Array<Fate | undefined> = []
  /** Nothing can be written. */
  isFull = false

  batch (operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    const done = this.#last.then(() => this.#batch(operations, options))
    this.#last = done.catch(() => {})
    return done
  }

  async #batch (operations: readonly StoreOperation[], { sync, opening }: BatchOptions): Promise<void> {
    if (this.isFull) throw full
    if (this.#failed !== undefined) await this.#reopen(this.#failed)
    if (opening !== undefined && opening !== this.#openings) throw new Error('opened anew')
    const fate = operations.length === 0 ? undefined : this.faults.shift()
    if (fate !== undefined) {
      this.#failed = { operations, fate }
      throw full
    }
    await this.#onDisk.batch(operations, { sync })
    this.#written.push(operations)
    if (sync) this.#synced = this.#written.length
  }

  async #reopen ({ operations, fate }: { readonly operations: readonly StoreOperation[], readonly fate: Fate }): Promise<void> {
    this.#failed = undefined
    this.#openings++
    if (fate === 'all') this.#written.push(operations)
    if (fate === 'nothing since the last sync') this.#written.length = this.#synced
    this.#synced = this.#written.length
    const found = memoryStore()
    for (const written of this.#written) await found.batch(written, { sync: true })
    this.#onDisk = found
    for (const listener of this.#listeners) listener()
  }

  /** The same store for a process whose batches go another way. */
  withBatch (batch: Store['batch']): Store {
    return {
      batch,
      get: key => this.get(key),
      getSync: key => this.getSync(key),
      getMany: keys => this.getMany(keys),
      iterate: range => this.iterate(range),
      keys: range => this.keys(range),
      keysUnder: (prefixes, limitEach) => this.keysUnder(prefixes, limitEach),
      clear: range => this.clear(range),
      openings: () => this.openings(),
      onOpenedAnew: listener => { this.onOpenedAnew(listener) },
      close: async () => {},
    }
  }

  /** Nothing that was written is on disk for sure. */
  loseSyncs (): void { this.#synced = 0 }

  openings (): number { return this.#openings }
  onOpenedAnew (listener: () => void): void { this.#listeners.push(listener) }
  get (key: string): Promise<Uint8Array | undefined> { return this.#onDisk.get(key) }
  getSync (key: string): Uint8Array | undefined { return this.#onDisk.getSync(key) }
  getMany (keys: readonly string[]): Promise<Array<Uint8Array | undefined>> { return this.#onDisk.getMany(keys) }
  iterate (range: Parameters<Store['iterate']>[0]): ReturnType<Store['iterate']> { return this.#onDisk.iterate(range) }
  keys (range: Parameters<Store['keys']>[0]): ReturnType<Store['keys']> { return this.#onDisk.keys(range) }
  keysUnder (prefixes: readonly string[], limitEach: number): Promise<string[][]> { return this.#onDisk.keysUnder(prefixes, limitEach) }
  clear (range: Parameters<Store['clear']>[0]): Promise<void> { return this.#onDisk.clear(range) }
  async close (): Promise<void> {}
}

const full = new ClusterError('STORE_FULL', 'the disk is full')
