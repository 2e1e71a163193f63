import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packRecords, sequenceKey, unpackRecords } from './record-list.ts'

const records = fc.array(fc.record({ tag: fc.nat(255), payload: fc.uint8Array({ maxLength: 300 }) }, { noNullPrototype: true }), { maxLength: 8 })

test('a list is read as it was packed, and one that is cut off is damaged', () => fc.assert(fc.property(records, list => {
  const bytes = packRecords(list)
  assert.deepEqual(unpackRecords(bytes), list)
  const ends = new Set<number>([0])
  for (const { payload } of list) ends.add(Math.max(...ends) + 5 + payload.length)
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length)
    if (ends.has(length)) assert.ok(unpackRecords(cut).length < list.length)
    else assert.throws(() => unpackRecords(cut), { code: 'STORE_DAMAGED' })
  }
}), { numRuns: 30 }))

test('numbers in keys have the order of their values', () => {
  const numbers = [0, 9, 10, 99, 1_000, 2 ** 32, Number.MAX_SAFE_INTEGER]
  assert.deepEqual(numbers.map(sequenceKey).toSorted(), numbers.map(sequenceKey))
  assert.deepEqual(numbers.map(number => Number(sequenceKey(number))), numbers)
})
