import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../platform/memory-store.ts'
import { RepairNotes } from './repair-notes.ts'
import { cidOf, TestCluster } from './repair.fixture.ts'

test('it is kept over restarts whose pins are looked after and how far that has come; what is not ours is left out', async () => {
  const cluster = new TestCluster()
  await cluster.add(3)
  const [begun, far, done] = cluster.ids(0, 1, 2) as [never, never, never]
  const store = memoryStore()
  const notes = new RepairNotes(store)
  await notes.save(begun, undefined)
  await notes.save(far, cidOf(1))
  await notes.save(far, cidOf(2))
  await notes.save(done, cidOf(3))
  await notes.remove(done)
  await store.batch([
    { type: 'put', key: '/flotilla/repair/nobody', value: new Uint8Array(0) },
    { type: 'put', key: `/flotilla/repair/${done}`, value: new TextEncoder().encode('no CID') },
    { type: 'put', key: '/flotilla/repair0', value: new Uint8Array(0) },
  ], { sync: false })
  assert.deepEqual(await new RepairNotes(store).load(), new Map([[begun, undefined], [far, cidOf(2)]]))
  await cluster.stop()
})

test('without a store nothing is kept', async () => {
  const notes = new RepairNotes(undefined)
  await notes.save('peer' as never, undefined)
  await notes.remove('peer' as never)
  assert.deepEqual(await notes.load(), new Map())
})
