import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sleep } from './clock.ts'
import { MinHeap } from './min-heap.ts'
import { virtualClock } from './virtual-clock.ts'

test('what is due happens in order of time, and of asking at the same moment', async () => {
  const clock = virtualClock(1_000)
  const seen: string[] = []
  clock.after(20, () => { seen.push(`b${clock.now()}`) })
  clock.after(10, () => {
    seen.push(`a${clock.now()}`)
    clock.after(10, () => { seen.push(`c${clock.now()}`) })
  })
  await clock.advance(15)
  assert.deepEqual(seen, ['a1010'])
  assert.equal(clock.now(), 1_015)
  assert.equal(clock.nextAt(), 1_020)
  await clock.advance(100)
  assert.deepEqual(seen, ['a1010', 'b1020', 'c1020'])
  assert.equal(clock.monotonic(), 115)
  assert.equal(clock.nextAt(), undefined)
})

test('promises settle before time goes on', async () => {
  const clock = virtualClock(0)
  const seen: number[] = []
  const work = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await sleep(clock, 10)
      for (let hop = 0; hop < 50; hop++) await Promise.resolve()
      await new Promise<void>(resolve => { clock.soon(resolve) })
      seen.push(clock.now())
    }
  }
  void work()
  await clock.advance(30)
  assert.deepEqual(seen, [10, 20, 30])
})

test('a cancelled timer does not fire, however many there are', async () => {
  const clock = virtualClock(0)
  let fired = 0
  for (let i = 0; i < 1_000; i++) {
    const cancel = clock.after(i, () => { fired++ })
    if (i % 10 !== 0) { cancel(); cancel() }
  }
  await clock.advance(2_000)
  assert.equal(fired, 100)
})

test('a time of which less is left than the clock can tell apart goes by', async () => {
  const clock = virtualClock()
  await clock.advance(4_133.8)
  const end = 4_133.8 + 2 ** -41
  let waits = 0
  const wait = (): void => { if (clock.monotonic() < end && waits++ < 5) clock.after(2 ** -42, wait) }
  wait()
  await clock.advance(1)
  assert.equal(waits, 1)
})

test('until stops at the moment that was waited for, and says when it cannot come', async () => {
  const clock = virtualClock(0)
  let done = false
  clock.after(5, () => { done = true })
  clock.after(6, () => { assert.fail('went too far') })
  await clock.until(() => done, 10)
  assert.equal(clock.now(), 5)
  await assert.rejects(clock.until(() => false, 0), /not within 0 ms/)
  await assert.rejects(virtualClock().until(() => false, 10), /nothing is left/)
})

test('the wall clock can jump without moving timers', async () => {
  const clock = virtualClock(1_000)
  let fired = false
  clock.after(100, () => { fired = true })
  clock.setWallClock(3_600_000)
  await clock.advance(99)
  assert.equal(fired, false)
  assert.equal(clock.now(), 3_600_099)
  await clock.advance(1)
  assert.equal(fired, true)
})

test('a heap hands out what was put in, sorted', () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('pop'), fc.constant('odd'), fc.constant('replace'))), steps => {
    const heap = new MinHeap<number>((a, b) => a < b)
    let model: number[] = []
    for (const step of steps) {
      if (typeof step === 'number') { heap.push(step); model.push(step) }
      else if (step === 'pop') assert.equal(heap.pop(), model.shift())
      else if (step === 'odd') { heap.retain(value => value % 2 === 1); model = model.filter(value => value % 2 === 1) }
      else { heap.replaceFirst(25); model.shift(); model.push(25) }
      model.sort((a, b) => a - b)
      assert.equal(heap.size, model.length)
      assert.equal(heap.peek(), model[0])
    }
  }))
})
