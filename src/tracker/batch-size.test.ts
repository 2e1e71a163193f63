import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchSize, quickBatchMs } from './batch-size.ts'

const many = 100_000
/** The largest request that would be made now. */
const limit = (size: BatchSize): number => size.next(many, 10)

test('a request doubles while the full ones are fine, up to 128, and halves when one is slow', () => {
  const size = new BatchSize()
  assert.equal(limit(size), 32)
  size.finished(16, 10)
  assert.equal(limit(size), 32, 'a small one says nothing of large ones')
  size.finished(17, 10)
  assert.equal(limit(size), 64)
  size.finished(64, 249)
  assert.equal(limit(size), 128)
  size.finished(128, 10)
  assert.equal(limit(size), 128)
  size.finished(128, 250)
  assert.equal(limit(size), 128)
  size.finished(128, 1_000)
  assert.equal(limit(size), 128)
  size.finished(128, 1_001)
  assert.equal(limit(size), 64)
  size.tookTooLong(64)
  assert.equal(limit(size), 16)
  for (let n = 0; n < 9; n++) size.tookTooLong(3)
  assert.equal(limit(size), 1)
  size.finished(1, 5_000)
  assert.equal(limit(size), 1)
})

test('few pins are spread over all slots, unless so many have just been as quick as one', () => {
  const size = new BatchSize()
  assert.deepEqual([size.next(5, 10), size.next(10, 10), size.next(11, 10), size.next(40, 10)], [1, 1, 2, 4])
  assert.equal(size.isEnough(40, 10), false)
  size.finished(8, quickBatchMs(8))
  assert.deepEqual([size.next(10, 10), size.next(11, 10), size.next(400, 10)], [1, 16, 32])
  assert.deepEqual([size.isEnough(160, 10), size.isEnough(161, 10)], [true, false])
  size.finished(2, quickBatchMs(2))
  assert.equal(size.next(11, 10), 16, 'a smaller quick one takes nothing back')
  size.finished(10, quickBatchMs(10) + 1)
  assert.equal(size.next(11, 10), 10, 'half of what was not quick still may be')
  size.hung()
  assert.deepEqual([size.next(11, 10), size.isEnough(1, 10)], [2, false])
  size.finished(8, 1)
  size.tookTooLong(128)
  assert.equal(size.next(11, 10), 2)
})

test('a large batch is quick with two milliseconds a pin, a small one with fifty in all', () => {
  assert.deepEqual([1, 25, 26, 128].map(quickBatchMs), [50, 50, 52, 256])
})
