import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base58btc } from 'multiformats/bases/base58'
import { decodeBase58, encodeBase58, writeBase58 } from './base58.ts'

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.tuple(fc.nat(4), fc.uint8Array({ maxLength: 60 })).map(([zeros, rest]) => Uint8Array.of(...new Array<number>(zeros).fill(0), ...rest)),
  fc.nat(64).map((length) => new Uint8Array(length).fill(0xff)),
)

test('base58 is what the general algorithm writes', () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    assert.equal(encodeBase58(bytes), base58btc.baseEncode(bytes))
  }), { numRuns: 2000 })
})

test('base58 reads back what it wrote', () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    assert.deepEqual(decodeBase58(encodeBase58(bytes)), bytes)
  }), { numRuns: 2000 })
})

test('base58 of a part stays within its room', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
    const target = new Uint8Array(3 + Math.ceil(bytes.length * 1.5) + 5)
    const end = writeBase58(bytes, 0, bytes.length, target, 3)
    assert.equal(Buffer.from(target.subarray(3, end)).toString('latin1'), base58btc.baseEncode(bytes))
  }))
})

test('base58 text with a character that is no digit is refused', () => {
  for (const text of ['0', 'O', 'I', 'l', 'ab é', 'Qm/', ' ', `${'1'.repeat(100)}0`]) assert.equal(decodeBase58(text), undefined, text)
})

test('base58 text agrees with the general algorithm on what is readable', () => {
  fc.assert(fc.property(fc.string({ maxLength: 90 }), (text) => {
    let expected: Uint8Array | undefined
    try {
      expected = base58btc.baseDecode(text)
    } catch {
      expected = undefined
    }
    assert.deepEqual(decodeBase58(text), expected)
  }))
})
