import assert from 'node:assert/strict'
import { test } from 'node:test'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { Pace } from './pace.ts'

const never = new AbortController().signal

test('a burst at once, then one at a time, in the order of coming; a rest earns a burst', async () => {
  const clock = virtualClock()
  const pace = new Pace(clock, { perSecond: 10, burst: 3 })
  const done: Array<[number, number]> = []
  const start = clock.monotonic()
  const take = (n: number) => pace.take(never).then(() => { done.push([n, clock.monotonic() - start]) })
  for (let n = 0; n < 5; n++) void take(n)
  await clock.advance(10_000)
  for (let n = 5; n < 9; n++) void take(n)
  await clock.advance(10_000)
  assert.deepEqual(done, [[0, 0], [1, 0], [2, 0], [3, 100], [4, 200], [5, 10_000], [6, 10_000], [7, 10_000], [8, 10_100]])
})

test('who no longer wants does not wait', async () => {
  const clock = virtualClock()
  const pace = new Pace(clock, { perSecond: 1, burst: 1 })
  const stop = new AbortController()
  await pace.take(never)
  const waiting = pace.take(stop.signal)
  stop.abort()
  await assert.rejects(waiting)
  await assert.rejects(pace.take(stop.signal))
  await clock.advance(60_000)
  await assert.rejects(pace.take(stop.signal), 'nor takes the turn of others')
  await pace.take(never)
})
