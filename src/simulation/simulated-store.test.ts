import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Store } from '../platform/store.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { PeerClock } from './peer-clock.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedDisk } from './simulated-store.ts'

const keyOf = (n: number): string => String(n).padStart(3, '0')
const put = (n: number) => ({ type: 'put', key: keyOf(n), value: Uint8Array.of(n) }) as const

async function listed (store: Store): Promise<string[]> {
  return (await Array.fromAsync(store.keys({}))).flat()
}

test('a loss of power keeps what was synced and then whole batches up to some moment', async () => {
  const kept = new Set<number>()
  for (let seed = 1; seed <= 40; seed++) {
    const world = virtualClock()
    const disk = new SimulatedDisk(seededRandom(seed))
    const clock = new PeerClock(world)
    const store = disk.open(clock)
    const written = (async () => {
      await store.batch([put(0), put(1)], { sync: true })
      for (let n = 1; n <= 5; n++) await store.batch([put(2 * n), put(2 * n + 1), { type: 'del', key: keyOf(2 * n - 2) }], { sync: false })
    })()
    await world.advance(1_000)
    await written
    clock.kill()
    disk.losePower()
    const reading = listed(disk.open(new PeerClock(world)))
    await world.advance(10)
    const keys = await reading
    const last = Number(keys.at(-1))
    assert.deepEqual(keys, [...Array.from({ length: (last - 1) / 2 }, (_, n) => keyOf(2 * n + 1)), keyOf(last - 1), keyOf(last)])
    kept.add(last)
  }
  assert.deepEqual([...kept].toSorted((a, b) => a - b), [1, 3, 5, 7, 9, 11])
})

test('a full disk refuses; when there is room again it is opened anew, with the failed batch or without', async () => {
  const found = new Set<string>()
  for (let seed = 1; seed <= 40; seed++) {
    const world = virtualClock()
    const disk = new SimulatedDisk(seededRandom(seed))
    const store = disk.open(new PeerClock(world))
    let openings = 0
    store.onOpenedAnew?.(() => { openings++ })
    const done = (async () => {
      await store.batch([put(1)], { sync: true })
      await store.batch([put(2)], { sync: false })
      disk.conditions.isFull = true
      await assert.rejects(store.batch([put(3)], { sync: false }), { code: 'STORE_FULL' })
      assert.deepEqual(await listed(store), ['001', '002'])
      disk.conditions.isFull = false
      await assert.rejects(store.batch([put(4)], { sync: false, opening: store.openings?.() }), { code: 'STORE_FAILED' })
      found.add((await listed(store)).join())
    })()
    await world.advance(1_000)
    await done
    assert.equal(openings, 1)
  }
  assert.deepEqual([...found].toSorted(), ['001', '001,002', '001,002,003'])
})

test('of a process that was killed nothing reaches the disk any more', async () => {
  const world = virtualClock()
  const disk = new SimulatedDisk(seededRandom(1))
  const clock = new PeerClock(world)
  const store = disk.open(clock)
  let isAnswered = false
  store.batch([put(1)], { sync: true }).finally(() => { isAnswered = true })
  clock.kill()
  await world.advance(10_000)
  assert.equal(isAnswered, false)
  assert.equal(disk.values.size, 0)
})

test('a failing disk fails at reads, too', async () => {
  const world = virtualClock()
  const disk = new SimulatedDisk(seededRandom(1))
  const store = disk.open(new PeerClock(world))
  const outcomes = new Set<string>()
  const read = async (work: () => unknown): Promise<void> => { outcomes.add(await Promise.resolve().then(work).then(() => 'read', (error: { code?: string }) => error.code ?? 'other')) }
  const reading = (async () => {
    await store.batch([put(1)], { sync: true })
    for (const failure of [0, 10]) {
      disk.conditions.failure = failure
      for (const work of [() => store.get('001'), () => store.getSync('001'), () => store.getMany(['001']), () => listed(store)]) await read(work)
      if (failure === 0) assert.deepEqual([...outcomes], ['read'])
    }
  })()
  await world.advance(1_000)
  await reading
  assert.deepEqual([...outcomes], ['read', 'STORE_FAILED'])
})
