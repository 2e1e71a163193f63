import { memoryStore } from '../../platform/memory-store.ts'
import type { BatchOptions, Store, StoreOperation } from '../../platform/store.ts'

/** A store that can crash: what was not synced may be lost, from the end on. */
export class CrashStore implements Store {
  #store: Store = memoryStore()
  #batches: Array<readonly StoreOperation[]> = []
  #synced = 0
  #isDead = false
  /** Batches that will be written before the store dies by itself. */
  left = Infinity

  /** A store with what is on disk after a crash: all that was synced, and `kept` (0 to 1) of what was not. */
  async crash (kept: number): Promise<CrashStore> {
    this.#isDead = true
    const after = new CrashStore()
    const length = this.#synced + Math.floor((this.#batches.length - this.#synced) * kept)
    for (const operations of this.#batches.slice(0, length)) await after.batch(operations, { sync: true })
    return after
  }

  get isDead (): boolean { return this.#isDead }

  async batch (operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    if (this.left-- <= 0) this.#isDead = true
    if (this.#isDead) return never
    this.#batches.push(operations)
    if (options.sync) this.#synced = this.#batches.length
    await this.#store.batch(operations, options)
  }

  get (key: string): Promise<Uint8Array | undefined> { return this.#isDead ? never : this.#store.get(key) }
  getSync (key: string): Uint8Array | undefined { return this.#store.getSync(key) }
  getMany (keys: readonly string[]): Promise<Array<Uint8Array | undefined>> { return this.#isDead ? never : this.#store.getMany(keys) }
  iterate (range: Parameters<Store['iterate']>[0]): ReturnType<Store['iterate']> { return this.#store.iterate(range) }
  keys (range: Parameters<Store['keys']>[0]): ReturnType<Store['keys']> { return this.#store.keys(range) }
  keysUnder (prefixes: readonly string[], limitEach: number): Promise<string[][]> { return this.#store.keysUnder(prefixes, limitEach) }
  clear (range: Parameters<Store['clear']>[0]): Promise<void> { return this.#store.clear(range) }
  async close (): Promise<void> {}
}

/** What a process that is gone waits for. */
const never = new Promise<never>(() => {})
