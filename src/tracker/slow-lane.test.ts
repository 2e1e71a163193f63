import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxBatchOf, patienceMs, retryDelayMs, slowShare } from './slow-lane.ts'
import { seededRandom } from './tracker.fixture.ts'

test('what hung has fewer companions each time', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(maxBatchOf), [128, 8, 1, 1, 1, 1])
})

test('patience is shorter the more wait, so that all get a try within a minute or so, and longer for what hung alone', () => {
  assert.deepEqual([[0, 128, 0], [0, 128, 128 * 15], [0, 128, 128 * 30], [1, 8, 1e6], [2, 1, 20]].map(([level = 0, size = 0, waiting = 0]) => patienceMs(level, size, waiting)), [4_000, 4_000, 2_000, 1_000, 3_000])
  assert.deepEqual([3, 4, 5, 6].map(level => patienceMs(level, 1, 1e6)), [16_000, 64_000, Infinity, Infinity])
})

test('the slow lane has a quarter of the slots, at least one where there is another', () => {
  assert.deepEqual([1, 2, 4, 7, 8, 10].map(slowShare), [0, 1, 1, 1, 2, 2])
})

test('a pin that stalled waits for a minute, twice as long after each try up to an hour, a quarter more or less', () => {
  for (const [attempts, minutes] of [[0, 1], [1, 1], [2, 2], [3, 4], [6, 32], [7, 60], [1_000, 60]] as const) {
    const random = seededRandom(attempts)
    const delays = Array.from({ length: 1_000 }, () => retryDelayMs(attempts, random) / 60_000 / minutes)
    const [least, most] = [Math.min(...delays), Math.max(...delays)]
    assert.ok(least >= 0.75 && least < 0.76 && most <= 1.25 && most > 1.24, `${attempts}: ${least} to ${most}`)
  }
})
