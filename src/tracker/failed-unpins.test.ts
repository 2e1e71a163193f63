import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultyStore, type Fate } from '../consensus/crdt/faulty-store.fixture.ts'
import type { Cid } from '../domain/cid.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import { FailedUnpins } from './failed-unpins.ts'
import { MemoryPinset } from './memory-pinset.fixture.ts'
import { OperationTable } from './operations.ts'
import { cidOf, defaultOptions, seededRandom, self } from './tracker.fixture.ts'

function failedUnpins (store: FaultyStore, clock: VirtualClock): { readonly unpins: FailedUnpins, readonly restored: () => Promise<Cid[]> } {
  const table = new OperationTable({ ...defaultOptions, maxQueueSize: 100, maxUnpinQueueSize: 100, clock, superseded: () => {} })
  const unpins = new FailedUnpins({ store, table, pinset: new MemoryPinset(), self, platform: { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics } })
  const restored = async (): Promise<Cid[]> => {
    await unpins.restore()
    return [...table.values()].map(({ cid }) => cid).toSorted()
  }
  return { unpins, restored }
}

for (const fate of ['nothing', 'all', 'nothing since the last sync'] satisfies Fate[]) {
  test(`unpins that failed are known after a restart, though a disk that failed has kept ${fate} of their notes`, async () => {
    const clock = virtualClock()
    const store = new FaultyStore()
    const { unpins } = failedUnpins(store, clock)
    const [before, off, failing, after] = ['before', 'off', 'failing', 'after'].map(cidOf) as [Cid, Cid, Cid, Cid]
    for (const cid of [before, off]) unpins.add(cid)
    await clock.settle()
    store.faults = [fate]
    unpins.add(failing)
    unpins.delete(off)
    await clock.settle()
    unpins.add(after)
    await clock.settle()
    assert.deepEqual(await failedUnpins(store, clock).restored(), [before, failing, after].toSorted())
  })
}

test('a note that could not be written is written when the store is open again, whoever has opened it', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const { unpins } = failedUnpins(store, clock)
  store.faults = ['nothing']
  unpins.add(cidOf('failing'))
  await clock.settle()
  await store.batch([], { sync: false })
  await clock.settle()
  assert.deepEqual(await failedUnpins(store, clock).restored(), [cidOf('failing')])
})
