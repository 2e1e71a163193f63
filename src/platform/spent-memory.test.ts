import assert from 'node:assert/strict'
import { test } from 'node:test'
import { free, giveBack, handOver, setApart } from './spent-memory.ts'

test('memory is freed with the end of what was handed over, and not before', () => {
  const memory = new Uint8Array(20_000)
  const bytes = memory.subarray(0, 10_000)
  handOver(bytes)
  giveBack(bytes.subarray(0, 9_999))
  giveBack(bytes.subarray(9_999, 9_999))
  giveBack(memory.subarray(10_000))
  giveBack(bytes.subarray(10_000))
  assert.equal(memory.length, 20_000)
  giveBack(bytes.subarray(9_999))
  assert.equal(memory.buffer.byteLength, 0)
  assert.equal(bytes.length, 0)
  giveBack(bytes)
})

test('a value that was set apart is freed by any part of it, another is not', () => {
  const value = new Uint8Array(10_000)
  setApart(value)
  giveBack(value)
  assert.equal(value.length, 10_000)
  free(value.subarray(3, 5))
  assert.equal(value.length, 0)
  const other = new Uint8Array(10_000)
  handOver(other)
  free(other)
  assert.equal(other.length, 10_000)
})

test('what was not handed over, small things and what threads share stay as they are', () => {
  const never = new Uint8Array(10_000)
  const small = Buffer.allocUnsafe(10)
  const shared = new Uint8Array(new SharedArrayBuffer(10_000))
  handOver(small)
  handOver(shared)
  for (const bytes of [never, small, shared]) giveBack(bytes)
  assert.deepEqual([never.length, small.length, shared.length], [10_000, 10, 10_000])
})
