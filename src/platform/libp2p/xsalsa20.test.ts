import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { XSalsa20 } from './xsalsa20.ts'

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

function stream (cipher: XSalsa20, length: number): Uint8Array {
  const output = new Uint8Array(length)
  cipher.update(new Uint8Array(length), output)
  return output
}

test('gives the key stream of the test vectors of NaCl (tests/stream.c) and of the paper on XSalsa20', () => {
  const key = bytes('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389')
  const nonce = bytes('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37')
  assert.equal(Buffer.from(stream(new XSalsa20(key, nonce), 32)).toString('hex'), 'eea6a7251c1e72916d11c2cb214d3c252539121d8e234e652d651fa4c8cff880')
})

test('cuts of the input make no difference, also in place and across the size of one call', () => {
  const key = new Uint8Array(32).map((_, i) => i)
  const nonce = new Uint8Array(24).map((_, i) => 100 + i)
  const whole = stream(new XSalsa20(key, nonce), 600_000)
  fc.assert(fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 200_000 })), { maxLength: 5 }), cuts => {
    const cipher = new XSalsa20(key, nonce)
    const other = new XSalsa20(new Uint8Array(32), nonce)
    const data = new Uint8Array(600_000)
    let at = 0
    for (const length of [...cuts, data.length]) {
      const part = data.subarray(at, at + length)
      cipher.update(part, part)
      stream(other, 77)
      at += part.length
    }
    assert.deepEqual(Buffer.compare(data, whole), 0)
  }), { numRuns: 30 })
})
