import type { Store, StoreOperation } from '../../platform/store.ts'
import { plantedBug, type PlantedBug } from './bugs.ts'

/** A store whose batches are others. */
export function withBatches (store: Store, change: (operations: readonly StoreOperation[]) => readonly StoreOperation[]): Store {
  return inherit(store, { batch: (operations, options) => store.batch(change(operations), options) })
}

/** The store with some methods replaced; the rest is handed on. */
export function inherit (store: Store, replaced: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const own = Reflect.get(replaced, name) as unknown
      if (own !== undefined) return own
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) as unknown : value
    },
  })
}

/** How long the reference's batches may wait in memory, in milliseconds. */
const inMemoryMs = 1_000

/** Failures that lose or bring back changes of the pinset. */
export const lostChanges: readonly PlantedBug[] = [
  plantedBug('no fsync', 'no component of the reference ever asks its store for an fsync: a loss of power loses acknowledged pins', {
    store: store => inherit(store, { batch: (operations, options) => store.batch(operations, { ...options, sync: false }) }),
  }),
  plantedBug('answer from memory', 'with batching the reference answers when the pin is in a channel: a crash loses it (web3.storage#994, #1697)', {
    peer (peer) {
      const { consensus, platform: { clock } } = peer
      const logPin = consensus.logPin.bind(consensus)
      consensus.logPin = async pin => { clock.after(inMemoryMs, () => { logPin(pin).catch(() => {}) }) }
    },
  }),
  plantedBug('unpins that wait', 'an unpin that waited for its batch took what others pinned after its answer', {
    peer (peer) {
      const { consensus, platform: { clock } } = peer
      const logUnpin = consensus.logUnpin.bind(consensus)
      consensus.logUnpin = async pin => {
        await logUnpin(pin)
        clock.after(inMemoryMs, () => { logUnpin(pin).catch(() => {}) })
      }
    },
  }),
  plantedBug('journal forgotten', 'what waited for its batch was dropped at a restart (#1697)', {
    store: store => {
      const forgotten = store.clear({ gte: '/flotilla/journal/', lt: '/flotilla/journal0' }).catch(() => {})
      return inherit(store, {
        iterate: range => range.gte === '/flotilla/journal/' ? after(forgotten, () => store.iterate(range)) : store.iterate(range),
      })
    },
  }),
  plantedBug('changes made twice', 'a delta that ended in the midst of a journal entry let a crash make all of the entry again, also what others had undone since', {
    store: store => withBatches(store, operations => operations.filter(({ key }) => key !== '/flotilla/journal-cut')),
  }),
  plantedBug('ties to the first', 'replicas with equal DAGs held different values for good (go-ds-crdt#238)', {
    store: store => withBatches(store, operations => {
      const lost = new Set<string>()
      for (const operation of operations) {
        if (operation.type !== 'put' || !/^\/c\/s\/k\/.*\/p$/.test(operation.key)) continue
        const stored = store.getSync(operation.key)
        if (stored !== undefined && Buffer.compare(stored, operation.value) === 0) lost.add(operation.key.slice(0, -1))
      }
      return operations.filter(({ key }) => !lost.has(key.slice(0, -1)))
    }),
  }),
]

async function * after<T> (first: Promise<unknown>, then: () => AsyncIterable<T>): AsyncGenerator<T> {
  await first
  yield * then()
}
