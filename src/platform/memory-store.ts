import type { Store, StoreEntry, StoreOperation, StoreRange } from './store.ts'

/** Entries per step of an iteration. */
const entriesPerStep = 256

/** A {@link Store} in memory: for tests and the simulator. Not made for many entries. */
export function memoryStore (initial: Iterable<StoreEntry> = []): Store {
  const values = new Map<string, Uint8Array>()
  let sorted: string[] | undefined
  for (const { key, value } of initial) values.set(key, value)

  const inRange = (range: StoreRange): string[] => {
    sorted ??= [...values.keys()].toSorted()
    let keys = sorted.filter(key => isInRange(key, range))
    if (range.reverse === true) keys = keys.toReversed()
    return range.limit === undefined ? keys : keys.slice(0, range.limit)
  }
  const apply = (operation: StoreOperation): void => {
    if (operation.type === 'del') {
      if (values.delete(operation.key)) sorted = undefined
      return
    }
    if (!values.has(operation.key)) sorted = undefined
    values.set(operation.key, operation.value.slice())
  }

  return {
    get: async key => values.get(key),
    getSync: key => values.get(key),
    getMany: async keys => keys.map(key => values.get(key)),
    batch: async operations => { for (const operation of operations) apply(operation) },
    iterate: range => inSteps(inRange(range).map(key => ({ key, value: values.get(key) as Uint8Array }))),
    keys: range => inSteps(inRange(range)),
    keysUnder: async (prefixes, limitEach) => prefixes.map(prefix => inRange({ gte: prefix }).filter(key => key.startsWith(prefix)).slice(0, limitEach)),
    clear: async range => { for (const key of inRange(range)) apply({ type: 'del', key }) },
    close: async () => {},
  }
}

async function * inSteps<T> (all: T[]): AsyncGenerator<T[]> {
  for (let at = 0; at < all.length; at += entriesPerStep) yield all.slice(at, at + entriesPerStep)
}

function isInRange (key: string, range: StoreRange): boolean {
  if (range.gt !== undefined && !(key > range.gt)) return false
  if (range.gte !== undefined && !(key >= range.gte)) return false
  if (range.lt !== undefined && !(key < range.lt)) return false
  return range.lte === undefined || key <= range.lte
}
