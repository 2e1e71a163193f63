import { LevelDbHandle, storeError, type Database } from './leveldb-handle.ts'
import type { Store, StoreEntry, StoreRange } from './store.ts'

/** Entries per step of an iteration: enough to hide the hop to the store's thread. */
const entriesPerStep = 1000
/** Bytes that one iteration may hold ready. */
const iterationBytes = 512 * 1024
/** Keys read at once after a seek: most prefixes have one or two. */
const keysPerSeek = 3
/** Bytes that such a read may hold ready: little, because it is thrown away at the next seek. */
const prefixReadBytes = 1024

/**
 * A {@link Store} on LevelDB in `folder`, which is made when absent. The layout of the keys is
 * the caller's; folders that the Go program wrote with its leveldb backend open as they are.
 * Damage is looked for before anything is written.
 * @throws ClusterError `FOLDER_LOCKED`, `STORE_DAMAGED`, `STORE_FULL`, `STORE_FAILED`
 */
export async function openLevelDbStore (folder: string): Promise<Store> {
  const handle = await LevelDbHandle.open(folder)
  return {
    get: key => handle.read(database => database.get(key)),
    getSync (key) {
      try {
        return handle.database.getSync(key)
      } catch (error) {
        throw storeError(error, folder)
      }
    },
    getMany: keys => handle.read(database => database.getMany(keys as string[])),
    batch: (operations, options) => handle.batch(operations, options),
    iterate: range => mapSteps(iteration(handle, range, entries)),
    keys: range => iteration(handle, range, keys),
    keysUnder: (prefixes, limitEach) => handle.read(database => readPrefixes(database, prefixes, limitEach)),
    async clear (range) {
      for await (const step of iteration(handle, range, keys)) await handle.batch(step.map(key => ({ type: 'del', key })), { sync: false })
    },
    openings: () => handle.openings,
    onOpenedAnew: listener => { handle.onOpenedAnew(listener) },
    rest: () => handle.rest(),
    close: () => handle.close(),
  }
}

interface StepIterator<T> {
  readonly db: unknown
  nextv (size: number): Promise<T[]>
  close (): Promise<void>
}

/** What an iteration is over. */
interface Iterated<T> {
  readonly open: (database: Database, options: object) => StepIterator<T>
  readonly keyOf: (item: T) => string
}

const entries: Iterated<[string, Uint8Array]> = { open: (database, options) => database.iterator(options), keyOf: ([key]) => key }
const keys: Iterated<string> = { open: (database, options) => database.keys(options), keyOf: key => key }

/**
 * The iterator is made at the call, not at the first step: that is the moment of the snapshot. One
 * that lives through a new opening of the folder goes on behind the last key.
 */
function iteration<T> (handle: LevelDbHandle, range: StoreRange, { open, keyOf }: Iterated<T>): AsyncGenerator<T[]> {
  const { limit } = range
  const openRest = (database: Database, last: string | undefined, left: number | undefined): StepIterator<T> =>
    open(database, { ...restOf(range, last), limit: left ?? -1, highWaterMarkBytes: iterationBytes })
  let iterator = handle.database.status === 'open' ? openRest(handle.database, undefined, limit) : undefined

  async function * steps (): AsyncGenerator<T[]> {
    let last: string | undefined
    let left = limit
    try {
      for (;;) {
        const step = await handle.read(database => {
          if (iterator?.db !== database) iterator = openRest(database, last, left)
          return iterator.nextv(entriesPerStep)
        })
        if (step.length === 0) return
        last = keyOf(step.at(-1) as T)
        if (left !== undefined) left -= step.length
        yield step
      }
    } finally {
      await iterator?.close()
    }
  }
  return steps()
}

/** The bounds of what comes behind the key `last`. */
function restOf (range: StoreRange, last: string | undefined): Omit<StoreRange, 'limit'> {
  const { gt, gte, lt, lte, reverse = false } = range
  const lower = !reverse && last !== undefined ? { gt: last } : { ...(gt !== undefined && { gt }), ...(gte !== undefined && { gte }) }
  const upper = reverse && last !== undefined ? { lt: last } : { ...(lt !== undefined && { lt }), ...(lte !== undefined && { lte }) }
  return { ...lower, ...upper, reverse }
}

async function * mapSteps (steps: AsyncIterable<Array<[string, Uint8Array]>>): AsyncGenerator<StoreEntry[]> {
  for await (const step of steps) {
    const batch = new Array<StoreEntry>(step.length)
    for (let i = 0; i < step.length; i++) {
      const [key, value] = step[i] as [string, Uint8Array]
      batch[i] = { key, value }
    }
    yield batch
  }
}

async function readPrefixes (database: Database, prefixes: readonly string[], limitEach: number): Promise<string[][]> {
  const iterator = database.keys({ highWaterMarkBytes: prefixReadBytes })
  try {
    const found: string[][] = []
    for (const prefix of prefixes) {
      iterator.seek(prefix)
      found.push(await readPrefix(iterator, prefix, limitEach))
    }
    return found
  } finally {
    await iterator.close()
  }
}

/** Reads on from where the iterator stands while keys begin with `prefix`. */
async function readPrefix (iterator: { nextv (size: number): Promise<string[]> }, prefix: string, limit: number): Promise<string[]> {
  const keys: string[] = []
  for (;;) {
    const step = await iterator.nextv(Math.min(limit - keys.length, keysPerSeek))
    for (const key of step) {
      if (!key.startsWith(prefix)) return keys
      keys.push(key)
    }
    if (step.length === 0 || keys.length >= limit) return keys
  }
}
