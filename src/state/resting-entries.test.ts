import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../platform/memory-store.ts'
import type { Store, StoreEntry } from '../platform/store.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { restingEntries } from './resting-entries.ts'

const key = (n: number): string => `/k/${String(n).padStart(4, '0')}`
const range = { gte: '/k/', lt: '/k0' }

/** A store with 600 entries that counts who reads. */
function counted (): { readonly store: Store, readonly reading: () => number } {
  const stored = memoryStore(Array.from({ length: 600 }, (_, n) => ({ key: key(n), value: Uint8Array.of(n % 256) })))
  let reading = 0
  return {
    reading: () => reading,
    store: {
      ...stored,
      iterate (range) {
        reading++
        const steps = stored.iterate(range)[Symbol.asyncIterator]()
        const end = async (): Promise<IteratorResult<StoreEntry[]>> => {
          reading--
          return { done: true, value: undefined }
        }
        return { [Symbol.asyncIterator]: () => ({ next: () => steps.next(), return: end }) }
      },
    },
  }
}

async function next (entries: AsyncIterator<StoreEntry[]>): Promise<string[]> {
  const { done, value } = await entries.next()
  return done === true ? [] : value.map(({ key }: StoreEntry) => key)
}

test('a reader that rests keeps nothing, and goes on behind what it has read', async () => {
  const clock = virtualClock()
  const { store, reading } = counted()
  const entries = restingEntries(store, range, clock)
  const found = await next(entries)
  await clock.advance(59_000)
  assert.equal(reading(), 1)
  await clock.advance(2_000)
  assert.equal(reading(), 0)
  await store.batch([{ type: 'put', key: `${found.at(-1)}x`, value: Uint8Array.of(1) }, { type: 'del', key: key(599) }, { type: 'put', key: `${key(0)}x`, value: Uint8Array.of(1) }], { sync: false })
  for (let step = await next(entries); step.length > 0; step = await next(entries)) {
    found.push(...step)
    assert.equal(reading(), 1)
    await clock.advance(1_000)
  }
  assert.equal(reading(), 0)
  const expected = Array.from({ length: 599 }, (_, n) => key(n))
  expected.splice(256, 0, `${key(255)}x`)
  assert.deepEqual(found, expected)
})

test('a reader that goes away, also while it rests, leaves nothing', async () => {
  const clock = virtualClock()
  for (const restMs of [0, 100_000]) {
    const { store, reading } = counted()
    const entries = restingEntries(store, range, clock)
    await next(entries)
    await clock.advance(restMs)
    await entries.return(undefined)
    assert.equal(reading(), 0)
    await clock.advance(100_000)
    assert.equal(reading(), 0)
  }
})
