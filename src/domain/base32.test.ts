import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base32, base32upper } from 'multiformats/bases/base32'
import { decodeBase32, encodeBase32, isBase32 } from './base32.ts'

test('base32 of any bytes is RFC 4648 without padding and reads back', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    assert.equal(encodeBase32(bytes, 'lower'), base32.baseEncode(bytes))
    assert.equal(encodeBase32(bytes, 'upper'), base32upper.baseEncode(bytes))
    assert.deepEqual(decodeBase32(`>${encodeBase32(bytes, 'lower')}`, 1, 'lower'), bytes)
  }))
})

test('canonical text is told from all other', () => {
  const digit = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567A18=é')
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20 }), fc.array(digit, { maxLength: 3 }), fc.boolean(), (bytes, end, cuts) => {
    const encoded = encodeBase32(bytes, 'lower')
    const text = `>${cuts ? encoded.slice(0, -1) : encoded}${end.join('')}`
    const decoded = decodeBase32(text, 1, 'lower')
    assert.equal(isBase32(text, 1), decoded !== undefined && encodeBase32(decoded, 'lower') === text.slice(1))
  }), { numRuns: 3000 })
})
