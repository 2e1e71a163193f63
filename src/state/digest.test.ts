import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { SetDigest } from './digest.ts'

const entries = fc.array(fc.tuple(fc.string({ unit: 'grapheme-ascii' }), fc.uint8Array({ maxLength: 8 })), { maxLength: 20 })

test('the digest follows the entries, not their order', () => fc.assert(fc.property(entries, fc.nat(), (list, turn) => {
  const digest = new SetDigest()
  for (const [key, value] of list) digest.add(key, value)
  const other = new SetDigest()
  const at = turn % Math.max(1, list.length)
  for (const [key, value] of [...list.slice(at), ...list.slice(0, at)].toReversed()) other.add(key, value)
  assert.equal(other.toString(), digest.toString())
  assert.equal(new SetDigest(digest.bytes()).toString(), digest.toString())
})))

test('what is removed leaves no trace, in any order', () => fc.assert(fc.property(entries, entries, (kept, removed) => {
  const digest = new SetDigest()
  for (const [key, value] of removed) digest.remove(key, value)
  for (const [key, value] of [...kept, ...removed]) digest.add(key, value)
  const expected = new SetDigest()
  for (const [key, value] of kept) expected.add(key, value)
  assert.equal(digest.toString(), expected.toString())
})))

test('the digest of one entry is the hash of its key and its value, of any size', () => {
  for (const size of [0, 100, 4_096 - 4, 4_096 - 3, 100_000]) {
    const value = randomBytes(size)
    const digest = new SetDigest()
    digest.add('KEY', value)
    assert.equal(digest.toString(), createHash('sha256').update('KEY\0').update(value).digest('hex'), `${size} bytes`)
  }
})

test('other entries give another digest', () => {
  const of = (...list: Array<[string, number[]]>): string => {
    const digest = new SetDigest()
    for (const [key, value] of list) digest.add(key, Uint8Array.from(value))
    return digest.toString()
  }
  const digests = [of(), of(['a', [1]]), of(['a', [2]]), of(['b', [1]]), of(['a', [1]], ['a', [1]]), of(['a', [1]], ['b', [1]])]
  assert.equal(new Set(digests).size, digests.length)
  assert.equal(digests[0], '0'.repeat(64))
})
