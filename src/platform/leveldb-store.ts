import { mkdir } from 'node:fs/promises'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { Store, StoreEntry, StoreOperation, StoreRange } from './store.ts'

/** Entries per step of an iteration: enough to hide the hop to the store's thread. */
const entriesPerStep = 1000
/** Bytes that one iteration may hold ready. */
const iterationBytes = 512 * 1024
/** Keys read at once after a seek: most prefixes have one or two. */
const keysPerSeek = 3
/** Bytes that such a read may hold ready: little, because it is thrown away at the next seek. */
const prefixReadBytes = 1024
/** Memory for blocks read, in bytes; grows no further. */
const blockCacheBytes = 32 * 1024 * 1024
/** Memory for writes before they become a file, in bytes (twice this at most). */
const writeBufferBytes = 8 * 1024 * 1024

/**
 * A {@link Store} on LevelDB in `folder`, which is made when absent. The layout of the keys is
 * the caller's; folders that the Go program wrote with its leveldb backend open as they are.
 * @throws ClusterError `FOLDER_LOCKED`, `STORE_DAMAGED`, `STORE_FULL`, `STORE_FAILED`
 */
export async function openLevelDbStore (folder: string): Promise<Store> {
  // At the first use only: the commands that need no store start without it.
  const { ClassicLevel } = await import('classic-level')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const database = new ClassicLevel<string, Uint8Array>(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    cacheSize: blockCacheBytes,
    writeBufferSize: writeBufferBytes,
  })
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw storeError(error, folder)
    }
  }
  await run(() => database.open())

  // The iterator is made at the call, not at the first step: that is the moment of the snapshot.
  function steps<T> (range: StoreRange, open: (options: object) => StepIterator<T>): AsyncGenerator<T[]> {
    const { limit, ...bounds } = range
    return drain(open({ ...bounds, limit: limit ?? -1, highWaterMarkBytes: iterationBytes }))
  }
  async function * drain<T> (iterator: StepIterator<T>): AsyncGenerator<T[]> {
    try {
      for (;;) {
        const step = await run(() => iterator.nextv(entriesPerStep))
        if (step.length === 0) return
        yield step
      }
    } finally {
      await iterator.close()
    }
  }

  return {
    get: key => run(() => database.get(key)),
    getSync (key) {
      try {
        return database.getSync(key)
      } catch (error) {
        throw storeError(error, folder)
      }
    },
    getMany: keys => run(() => database.getMany(keys as string[])),
    batch: (operations, options) => run(() => database.batch(operations as StoreOperation[], options)),
    iterate: range => mapSteps(steps(range, options => database.iterator(options))),
    keys: range => steps(range, options => database.keys(options)),
    keysUnder: (prefixes, limitEach) => run(async () => {
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
    }),
    clear: range => run(() => database.clear(range)),
    close: () => run(() => database.close()),
  }
}

/** Reads on from where the iterator stands while keys begin with `prefix`. */
async function readPrefix (iterator: StepIterator<string>, prefix: string, limit: number): Promise<string[]> {
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

interface StepIterator<T> {
  nextv (size: number): Promise<T[]>
  close (): Promise<void>
}

async function * mapSteps (steps: AsyncIterable<Array<[string, Uint8Array]>>): AsyncGenerator<StoreEntry[]> {
  for await (const step of steps) {
    const entries = new Array<StoreEntry>(step.length)
    for (let i = 0; i < step.length; i++) {
      const [key, value] = step[i] as [string, Uint8Array]
      entries[i] = { key, value }
    }
    yield entries
  }
}

function storeError (error: unknown, folder: string): ClusterError {
  const causes: unknown[] = [error]
  if (error instanceof Error && error.cause !== undefined) causes.push(error.cause)
  const text = causes.map(errorText).join(': ')
  const codes = causes.map(cause => (cause as { code?: string }).code ?? '')
  if (codes.includes('LEVEL_LOCKED')) return new ClusterError('FOLDER_LOCKED', `the datastore in ${folder} is in use by another process`, { cause: error })
  if (/No space left|ENOSPC|Disk quota/i.test(text)) return new ClusterError('STORE_FULL', `the disk under ${folder} is full: free some space`, { cause: error })
  if (codes.includes('LEVEL_CORRUPTION') || /Corruption|corrupt|does not exist \(create_if_missing|missing files|CURRENT file|not a .*sstable|bad block/i.test(text)) {
    return new ClusterError('STORE_DAMAGED', `the datastore in ${folder} is damaged (${text}): move this folder away, then start again and either restore the pins with "ipfs-cluster-service state import" or let this peer sync from the others`, { cause: error })
  }
  return new ClusterError('STORE_FAILED', `the datastore in ${folder} failed: ${text}`, { cause: error })
}
