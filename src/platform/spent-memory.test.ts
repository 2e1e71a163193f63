import assert from 'node:assert/strict'
import { test } from 'node:test'
import { free, giveBack, handOver, setApart } from './spent-memory.ts'

test('memory is freed with the end of what was handed over, and not before', () => {
  const memory = new Uint8Array(20_000)
  const bytes = memory.subarray(0, 10_000)
  handOver(bytes, 'sending')
  giveBack(bytes.subarray(0, 9_999), 'sending')
  giveBack(bytes.subarray(9_999, 9_999), 'sending')
  giveBack(memory.subarray(10_000), 'sending')
  giveBack(bytes.subarray(10_000), 'sending')
  assert.equal(memory.length, 20_000)
  for (const other of ['encryption', 'decryption', 'reading'] as const) giveBack(bytes.subarray(9_999), other)
  assert.equal(bytes.length, 10_000)
  giveBack(bytes.subarray(9_999), 'sending')
  assert.equal(memory.buffer.byteLength, 0)
  assert.equal(bytes.length, 0)
  giveBack(bytes, 'sending')
})

test('a value that was set apart is freed by any part of it, another is not', () => {
  const value = new Uint8Array(10_000)
  setApart(value)
  giveBack(value, 'sending')
  assert.equal(value.length, 10_000)
  free(value.subarray(3, 5))
  assert.equal(value.length, 0)
  const other = new Uint8Array(10_000)
  handOver(other, 'sending')
  free(other)
  assert.equal(other.length, 10_000)
})

test('what was not handed over, small things and what threads share stay as they are', () => {
  const never = new Uint8Array(10_000)
  const small = Buffer.allocUnsafe(10)
  const shared = new Uint8Array(new SharedArrayBuffer(10_000))
  handOver(small, 'sending')
  handOver(shared, 'sending')
  for (const bytes of [never, small, shared]) giveBack(bytes, 'sending')
  assert.deepEqual([never.length, small.length, shared.length], [10_000, 10, 10_000])
})
