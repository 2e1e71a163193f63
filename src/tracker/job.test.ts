import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Job } from './job.ts'
import { Operation } from './operation.ts'
import { cidOf } from './tracker.fixture.ts'

const operation = (name: string): Operation => new Operation(cidOf(name), 'pin_queued', 1, 0)
const batch = (): Job => new Job('pin', [operation('a'), operation('b')], true, 1_000)

test('a batch that has made progress lately when the node gives up on it was too much, any other one hangs', () => {
  for (const [blocks, atMs, reason] of [[0, 1_100, 'no_progress'], [1, 2_500, 'no_progress'], [1, 2_499, 'too_long']] as const) {
    const job = batch()
    job.progressed(blocks, 1_000)
    assert.equal(job.giveUp(atMs), reason)
    assert.equal(job.giveUp(atMs + 60_000), reason, 'the same for all its operations')
    assert.equal(job.gaveUp, reason)
  }
})

test('only more blocks are progress, and what has made some is not slow', () => {
  const job = batch()
  job.progressed(0, 2_000)
  assert.deepEqual([job.lastProgressAt, job.isSlow], [1_000, true])
  job.progressed(3, 3_000)
  assert.deepEqual([job.lastProgressAt, job.isSlow], [3_000, false])
  job.progressed(3, 4_000)
  job.progressed(2, 5_000)
  assert.equal(job.lastProgressAt, 3_000)
})

test('a job ends once, for the first reason', () => {
  const job = batch()
  job.end('preempted')
  job.end('stopping')
  assert.deepEqual([job.ending, job.signal.aborted, job.wanted, job.isBatch], ['preempted', true, 2, true])
})

test('a job is alone when its first operation is to have no company', () => {
  const alone = operation('alone')
  alone.isAlone = true
  assert.deepEqual([new Job('pin', [alone], false, 0).isAlone, new Job('pin', [operation('a')], false, 0).isAlone], [true, false])
})
