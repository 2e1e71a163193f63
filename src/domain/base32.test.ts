import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base32, base32upper } from 'multiformats/bases/base32'
import { decodeBase32, encodeBase32 } from './base32.ts'

test('base32 of any bytes is RFC 4648 without padding and reads back', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    assert.equal(encodeBase32(bytes, 'lower'), base32.baseEncode(bytes))
    assert.equal(encodeBase32(bytes, 'upper'), base32upper.baseEncode(bytes))
    assert.deepEqual(decodeBase32(`>${encodeBase32(bytes, 'lower')}`, 1, 'lower'), bytes)
  }))
})
