import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallLimits, PartialBytes } from './call-limits.ts'
import { peerOf } from './rpc.fixture.ts'

test('no peer takes all places, and all peers together have a bound', () => {
  const limits = new CallLimits()
  const enter = (n: number, times: number): number => Array.from({ length: times }, () => limits.enter(peerOf(n))).filter(refusal => refusal === undefined).length
  assert.equal(enter(1, 600), 512)
  assert.match(limits.enter(peerOf(1)) ?? '', /512 of one caller/)
  assert.deepEqual([2, 3, 4].map(n => enter(n, 512)), [512, 512, 512])
  assert.equal(limits.total, 2_048)
  assert.match(limits.enter(peerOf(5)) ?? '', /this peer answers 2048$/)
  limits.leave(peerOf(1))
  assert.deepEqual([enter(5, 2), enter(1, 1)], [1, 0])
  for (let times = 0; times < 511; times++) limits.leave(peerOf(1))
  assert.deepEqual([limits.total, enter(1, 600)], [1_537, 511], 'what has left is forgotten')
})

test('large requests that have come in part count until they are whole, small ones do not', () => {
  const mebibyte = 1024 * 1024
  const partial = new PartialBytes()
  assert.equal(partial.count(0, 64 * 1024), 0)
  assert.equal(partial.count(0, 64 * 1024 + 1), 64 * 1024 + 1)
  assert.equal(partial.count(64 * 1024 + 1, 200 * mebibyte), 200 * mebibyte)
  assert.equal(partial.count(0, 56 * mebibyte), 56 * mebibyte)
  assert.throws(() => partial.count(0, 64 * 1024 + 1), { code: 'TOO_LARGE' })
  assert.throws(() => partial.count(56 * mebibyte, 57 * mebibyte), { code: 'TOO_LARGE' })
  // Less is taken also where there is no room, and is room for others.
  assert.equal(partial.count(200 * mebibyte, 199 * mebibyte), 199 * mebibyte)
  assert.equal(partial.count(56 * mebibyte, 57 * mebibyte), 57 * mebibyte)
  assert.equal(partial.count(199 * mebibyte, 0), 0)
  assert.equal(partial.count(0, 199 * mebibyte), 199 * mebibyte)
})
