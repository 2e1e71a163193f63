import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64, decodeHex } from './text-encodings.ts'

test('what was encoded is decoded', () => {
  fc.assert(fc.property(fc.uint8Array(), bytes => {
    assert.deepEqual(decodeHex(Buffer.from(bytes).toString('hex')), bytes)
    assert.deepEqual(decodeHex(Buffer.from(bytes).toString('hex').toUpperCase()), bytes)
    assert.deepEqual(decodeBase64(Buffer.from(bytes).toString('base64')), bytes)
  }))
})

test('wrong text is refused in the reference\'s words', () => {
  const hex: ReadonlyArray<readonly [string, string]> = [
    ['zz', 'encoding/hex: invalid byte: U+007A \'z\''], ['abc', 'encoding/hex: odd length hex string'], ['abz', 'encoding/hex: invalid byte: U+007A \'z\''],
    ['a\n', 'encoding/hex: invalid byte: U+000A'], ['é', 'encoding/hex: invalid byte: U+00C3 \'Ã\''],
  ]
  for (const [text, message] of hex) assert.throws(() => decodeHex(text), { message }, text)
  const base64: ReadonlyArray<readonly [string, number]> = [
    ['!!', 0], ['AAA', 0], ['AAAAB', 4], ['AA=', 3], ['AA==A', 4], ['A===', 1], ['AA=A', 2], ['AAA=\nA', 5], ['AA\n-_', 3], ['AAé=', 2],
  ]
  for (const [text, at] of base64) assert.throws(() => decodeBase64(text), { message: `illegal base64 data at input byte ${at}` }, text)
  assert.deepEqual(decodeBase64('AQ\r\nI=\n'), Uint8Array.of(1, 2))
})
