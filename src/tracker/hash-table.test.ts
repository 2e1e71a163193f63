import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HashTable } from './hash-table.ts'

const word = fc.oneof(fc.nat(3), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff))
const hashes = fc.array(fc.tuple(word, word, word.map(c => c === 0 ? 1 : c)), { maxLength: 500 })

test('the table has what was added and nothing else, whatever words the hashes have in common', () => {
  fc.assert(fc.property(hashes, hashes, (added, others) => {
    const table = new HashTable()
    const model = new Set<string>()
    for (const [a, b, c] of added) {
      const key = `${a} ${b} ${c}`
      assert.equal(table.has(a, b, c), model.has(key))
      assert.equal(table.add(a, b, c), !model.has(key))
      model.add(key)
      assert.equal(table.size, model.size)
    }
    for (const [a, b, c] of [...added, ...others]) assert.equal(table.has(a, b, c), model.has(`${a} ${b} ${c}`))
    assert.ok(table.sizeBytes <= 12 * Math.max(32, model.size * 2 / 0.8), 'it grows with what it holds')
  }))
})
