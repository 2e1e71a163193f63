import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import type { Random } from '../platform/random.ts'
import { CidSet } from './cid-set.ts'

const fixed: Random = { bytes: length => new Uint8Array(length).fill(7), integer: () => 0, fraction: () => 0 }

function cid (n: number, codec = 0x55): Cid {
  return cidFromBytes(Uint8Array.from([1, codec, 0x12, 0x20, ...createHash('sha256').update(String(n)).digest()]))
}

test('it holds what was added and nothing else, over many growths', () => {
  const set = new CidSet(fixed)
  const count = 20_000
  for (let n = 0; n < count; n++) assert.equal(set.add(cid(n)), true)
  for (let n = 0; n < count; n++) {
    assert.equal(set.has(cid(n)), true)
    assert.equal(set.has(cid(n, 0x70)), false, 'the same digest under another codec is another CID')
    assert.equal(set.has(cid(n + count)), false)
  }
  assert.equal(set.add(cid(5)), false)
  assert.equal(set.size, count)
  assert.ok(set.sizeBytes <= count * 30, `${set.sizeBytes} bytes`)
})

test('it grows by small parts, each of which is moved at once', () => {
  const set = new CidSet(fixed)
  let before = set.sizeBytes
  for (let n = 0; n < 200_000; n++) {
    set.add(`bafkrei${n}` as Cid)
    const grown = set.sizeBytes - before
    before += grown
    assert.ok(grown <= before / 32, `${grown} of ${before} bytes`)
  }
})

test('texts that differ in any place, also in length alone, are told apart', () => {
  const text = fc.string({ unit: fc.constantFrom(...'abz27'), maxLength: 70 })
  fc.assert(fc.property(fc.uniqueArray(text, { maxLength: 40 }), fc.uniqueArray(text, { maxLength: 40 }), (added, asked) => {
    const set = new CidSet(fixed)
    for (const one of added) set.add(one as Cid)
    for (const one of asked) assert.equal(set.has(one as Cid), added.includes(one))
    assert.equal(set.size, added.length)
  }))
})

test('another key gives other hashes: what collides under one does not under the next', () => {
  let seed = 1
  const counting: Random = { bytes: length => Uint8Array.from({ length }, () => seed++), integer: () => 0, fraction: () => 0 }
  for (let keys = 0; keys < 50; keys++) {
    const set = new CidSet(counting)
    set.add(cid(keys))
    assert.equal(set.has(cid(keys)), true)
    assert.equal(set.has(cid(keys + 1)), false)
  }
})
