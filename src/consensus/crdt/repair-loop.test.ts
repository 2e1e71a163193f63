import assert from 'node:assert/strict'
import { test, type Mock, type TestContext } from 'node:test'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import { bareParts } from './bare-parts.fixture.ts'
import { seededRandom } from './crdt-peers.fixture.ts'
import { RepairLoop } from './repair-loop.ts'
import { markReplicaDirty } from './replica-state.ts'
import { ValueCheck } from './value-check.ts'

test('a node that is given up while a look ends keeps the set dirty', async () => {
  const clock = virtualClock()
  const { store, keys, replica, writer, records } = bareParts()
  const { promise, resolve } = Promise.withResolvers<void>()
  const platform = { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics }
  await markReplicaDirty(store, '/c')
  const loop = new RepairLoop({ store, keys, replica, writer, records, onMissing: () => {}, intervalMs: 1_000, retryHoles: async () => {}, platform })
  await loop.load()
  const turn = writer.turn(async () => {
    await promise
    const change = records.change()
    change.set('CIQA', undefined, { state: 'hole' })
    change.apply()
  })
  const stopping = new AbortController()
  loop.start(stopping.signal)
  await clock.settle()
  resolve()
  await turn
  await loop.stopped()
  assert.deepEqual([loop.isDirty, await store.get(keys.dirty)], [true, new Uint8Array(0)])
  stopping.abort()
})

interface Look { readonly atMs: number, readonly goOn: () => void, readonly fail: (error: Error) => void }

/** A repair loop on an empty set, and when its looks begin, each with those who can let it go on. */
async function loopOnNothing (context: TestContext): Promise<{ clock: VirtualClock, loop: RepairLoop, looks: Look[], valueChecks: Mock<ValueCheck['checkKeys']> }> {
  const clock = virtualClock()
  const { store, keys, replica, writer, records } = bareParts()
  await markReplicaDirty(store, '/c')
  const looks: Look[] = []
  const began = clock.monotonic()
  const retryHoles = (): Promise<void> => new Promise((goOn, fail) => { looks.push({ atMs: clock.monotonic() - began, goOn, fail }) })
  const platform = { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics }
  const loop = new RepairLoop({ store, keys, replica, writer, records, onMissing: () => {}, intervalMs: 3_600_000, retryHoles, platform })
  const valueChecks = context.mock.method(ValueCheck.prototype, 'checkKeys')
  await loop.load()
  const stopping = new AbortController()
  loop.start(stopping.signal)
  context.after(() => { stopping.abort() })
  await clock.settle()
  return { clock, loop, looks, valueChecks }
}

test('a look at the values that is asked for while another look goes on follows it', async context => {
  const { clock, loop, looks, valueChecks } = await loopOnNothing(context)
  loop.request()
  looks[0]?.goOn()
  await clock.advance(1_000)
  assert.deepEqual([looks.length, valueChecks.mock.callCount()], [2, 0])
  // What it is asked for meanwhile is what it does.
  loop.request()
  looks[1]?.goOn()
  await clock.advance(1_000_000)
  assert.deepEqual([looks.length, valueChecks.mock.callCount()], [2, 1])
})

test('what is asked for soon after a look at the values is done ten minutes after it', async context => {
  const { clock, loop, looks } = await loopOnNothing(context)
  looks[0]?.goOn()
  await clock.advance(1_000)
  loop.request()
  looks[1]?.goOn()
  await clock.advance(30_000)
  for (let n = 0; n < 3; n++) loop.request()
  await clock.advance(1_000_000)
  assert.deepEqual(looks.map(({ atMs }) => Math.round(atMs / 1_000)), [0, 1, 601])
})

test('a look at the values that failed is done again, also when nothing is known to be missing', async context => {
  const { clock, loop, looks, valueChecks } = await loopOnNothing(context)
  looks[0]?.goOn()
  await clock.advance(1_000)
  loop.request()
  looks[1]?.fail(new Error('the disk failed'))
  await clock.advance(1_000_000)
  looks[2]?.goOn()
  await clock.advance(1_000_000)
  assert.deepEqual([looks.length, valueChecks.mock.callCount()], [3, 1])
})

test('nothing stays of what a look has noted that was cut off, and the loop goes on', async () => {
  const clock = virtualClock()
  const parts = bareParts()
  const platform = { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics }
  let looks = 0
  const loop = new RepairLoop({ ...parts, onMissing: () => {}, intervalMs: 1_000, retryHoles: async () => { looks++ }, platform })
  await parts.store.batch([{ type: 'put', key: '/flotilla/looked/CIQA/merged', value: new Uint8Array(0) }], { sync: true })
  await loop.load()
  const stopping = new AbortController()
  loop.start(stopping.signal)
  await clock.advance(1_500)
  assert.deepEqual([await Array.fromAsync(parts.store.keys({ gte: '/flotilla/looked/', lt: '/flotilla/looked0' })), looks], [[], 0])
  loop.noteDirty()
  await clock.advance(1_000)
  assert.equal(looks, 1)
  stopping.abort()
  await loop.stopped()
})

test('a look that a stop ends has not failed', async () => {
  const clock = virtualClock()
  const parts = bareParts()
  await markReplicaDirty(parts.store, '/c')
  const lines: string[] = []
  const logger = { ...silentLoggers.component('crdt'), error: (...entry: unknown[]) => { lines.push(String(entry.at(-1))) } }
  const { promise, reject } = Promise.withResolvers<void>()
  const platform = { clock, random: seededRandom(1), loggers: { component: () => logger }, metrics: noMetrics }
  const loop = new RepairLoop({ ...parts, onMissing: () => {}, intervalMs: 1_000, retryHoles: () => promise, platform })
  await loop.load()
  const stopping = new AbortController()
  loop.start(stopping.signal)
  await clock.settle()
  assert.equal(loop.isRunning, true)
  stopping.abort(new Error('this peer is stopping'))
  reject(stopping.signal.reason)
  await loop.stopped()
  assert.deepEqual([lines, clock.nextAt(), loop.isRunning, loop.isDirty], [[], undefined, false, true])
})
