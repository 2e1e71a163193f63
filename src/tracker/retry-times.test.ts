import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Operation } from './operation.ts'
import { OperationQueue } from './operation-queue.ts'
import { RetryTimes } from './retry-times.ts'
import { cidOf } from './tracker.fixture.ts'

const operation = (name: string): Operation => new Operation(cidOf(name), 'pin_error', 1, 0)

test('each is due at its time, and one that has left is not', () => {
  const queue = new OperationQueue(1, 3)
  const times = new RetryTimes(queue)
  const [first, second, third] = ['first', 'second', 'third'].map(operation) as [Operation, Operation, Operation]
  assert.equal(times.nextAt(), undefined)
  times.add(third, 30)
  times.add(first, 10)
  times.add(second, 20)
  assert.equal(times.isFull, true)
  assert.deepEqual([times.nextAt(), times.takeDue(9)], [10, undefined])
  queue.remove(first)
  assert.deepEqual([times.nextAt(), times.takeDue(19)], [20, undefined])
  assert.equal(times.takeDue(20), second)
  assert.equal(times.takeDue(100), third)
  assert.deepEqual([times.nextAt(), times.takeDue(100), times.size], [undefined, undefined, 0])
})

test('one that comes again waits for its later time alone, however often', () => {
  const queue = new OperationQueue(1, 10)
  const times = new RetryTimes(queue)
  const [often, once] = [operation('often'), operation('once')]
  times.add(once, 500)
  for (let n = 1; n <= 2_000; n++) {
    times.add(often, n)
    if (n < 2_000) queue.remove(often)
  }
  assert.deepEqual([times.nextAt(), times.takeDue(499)], [500, undefined])
  assert.equal(times.takeDue(1_999), once)
  assert.equal(times.takeDue(1_999), undefined)
  assert.equal(times.takeDue(2_000), often)
})
