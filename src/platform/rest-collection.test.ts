import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics } from 'node:v8'
import { collectAtRest, thisProcess } from './rest-collection.ts'
import { virtualClock } from './virtual-clock.ts'

const mebibyte = 1024 * 1024

interface Simulated {
  /** Five seconds in which the process takes so many milliseconds of CPU and so much more memory, in MiB. */
  readonly work: (ms: number, mebibytes?: number) => Promise<void>
  readonly collections: () => number
  readonly stop: () => void
}

/** A process of which each collection takes so many milliseconds. */
function simulated (collectionMs = 0): Simulated {
  const clock = virtualClock()
  let usedMs = 500
  let bytes = 100 * mebibyte
  let collections = 0
  let tookMs = 0
  /** The memory comes back after the collection. */
  let given = false
  const stop = collectAtRest({ ...clock, monotonic: () => clock.monotonic() + tookMs }, {
    cpuMs: () => usedMs,
    residentBytes: () => bytes,
    collect () {
      collections++
      given = true
      tookMs += collectionMs
      usedMs += collectionMs
    },
  })
  return {
    async work (ms, mebibytes = ms / 10) {
      usedMs += ms
      bytes = (given ? 100 * mebibyte : bytes) + mebibytes * mebibyte
      given = false
      await clock.advance(5_000)
    },
    collections: () => collections,
    stop,
  }
}

test('garbage is collected once when a burst is over, not in it', async () => {
  const { work, collections, stop } = simulated()
  await work(4_000)
  await work(4_000)
  assert.equal(collections(), 0)
  await work(50)
  assert.equal(collections(), 1)
  for (let i = 0; i < 20; i++) await work(50)
  assert.equal(collections(), 1)
  stop()
})

test('what the start left is collected, though it was less work', async () => {
  const { work, collections, stop } = simulated()
  await work(600)
  assert.equal(collections(), 0)
  await work(50)
  assert.equal(collections(), 1)
  await work(600)
  await work(50)
  assert.equal(collections(), 1)
  stop()
})

test('work that leaves no garbage asks for no collection', async () => {
  const { work, collections, stop } = simulated()
  await work(4_000)
  await work(50)
  assert.equal(collections(), 1)
  for (let i = 0; i < 20; i++) {
    await work(4_000, 0)
    await work(50, 1)
  }
  assert.equal(collections(), 1)
  await work(4_000, 30)
  await work(50)
  assert.equal(collections(), 2)
  stop()
})

test('little by little counts as well, but seldom', async () => {
  const { work, collections, stop } = simulated()
  for (let i = 0; i < 80; i++) await work(100)
  assert.equal(collections(), 4)
  stop()
})

test('where a collection takes long it comes after more work', async () => {
  const { work, collections, stop } = simulated(400)
  await work(4_000)
  await work(10)
  assert.equal(collections(), 1)
  await work(15_000)
  await work(10)
  assert.equal(collections(), 1)
  await work(5_000)
  await work(10)
  assert.equal(collections(), 2)
  stop()
})

test('nothing is looked at any more after the end', async () => {
  const { work, collections, stop } = simulated()
  await work(9_000)
  stop()
  await work(10)
  assert.equal(collections(), 0)
})

test('the memory of this process is given back', () => {
  const { collect } = thisProcess()
  collect()
  let held: string[] | undefined = Array.from({ length: 400_000 }, (_, i) => `an element of the list, number ${i}`)
  const full = getHeapStatistics().used_heap_size
  assert.equal(held.length, 400_000)
  held = undefined
  collect()
  assert.ok(getHeapStatistics().used_heap_size < full - 10 * 1024 * 1024)
})
