import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base16 } from 'multiformats/bases/base16'
import { base32 } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64url } from 'multiformats/bases/base64'
import { cidCodec, cidFromBytes, cidFromKey, cidKey, cidMultihash, cidToBytes, cidVersion, parseCid, type Cid } from './cid.ts'
import { ClusterError } from './errors.ts'

const sha256 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((digest) => Uint8Array.of(0x12, 0x20, ...digest))
const version1 = fc.tuple(fc.constantFrom(0x55, 0x70, 0x71), sha256).map(([codec, hash]) => Uint8Array.of(1, codec, ...hash))

test('a CID comes back from its text and its bytes', () => {
  fc.assert(fc.property(fc.oneof(sha256, version1), (bytes) => {
    const cid = cidFromBytes(bytes)
    assert.deepEqual(cidToBytes(cid), bytes)
    assert.equal(parseCid(cid), cid)
    assert.equal(cidFromKey(cidKey(cid)), cid)
    assert.equal(cidVersion(cid), bytes.length === 34 ? 0 : 1)
    assert.deepEqual(cidMultihash(cid), bytes.subarray(-34))
    assert.equal(cidCodec(cid), bytes.length === 34 ? 0x70 : bytes[1])
  }))
})

test('a CID in any base becomes base32', () => {
  fc.assert(fc.property(version1, (bytes) => {
    for (const base of [base16, base32, base36, base58btc, base64url]) assert.equal(parseCid(base.encode(bytes)), base32.encode(bytes))
  }))
})

test('a text that differs in one place is another CID, the canonical text of one, or refused', () => {
  const digits = 'abcdefghijklmnopqrstuvwxyz234567'
  fc.assert(fc.property(version1, fc.nat(59), fc.constantFrom(...digits, 'B', '1', ''), (bytes, at, digit) => {
    const cid = cidFromBytes(bytes)
    const text = cid.slice(0, at) + digit + cid.slice(at + 1)
    let read: Cid
    try {
      read = parseCid(text)
    } catch (error) {
      assert.ok(error instanceof ClusterError)
      return
    }
    assert.equal(cidFromBytes(cidToBytes(read)), read)
    assert.equal(cidKey(read), base32.encode(cidToBytes(read)).slice(1).toUpperCase())
  }), { numRuns: 5000 })
})

test('what is no CID is refused with the text of the reference', () => {
  const texts = [
    ['notacid', 'invalid cid: selected encoding not supported'],
    ['x', 'invalid cid: cid too short'],
    ['Qm', 'invalid cid: selected encoding not supported'],
    ['zz', 'invalid cid: invalid cid: expected 1 as the cid version number, got: 57'],
    ['zzz', 'invalid cid: invalid cid: expected 1 as the cid version number, got: 13'],
    ['bafy', 'invalid cid: invalid cid: varints malformed, could not reach the end'],
    ['bafybeig', 'invalid cid: invalid cid: length greater than remaining number of bytes in buffer'],
    ['b1', 'invalid cid: illegal base32 data at input byte 0'],
    ['QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA30N', 'invalid cid: input isn\'t valid multihash'],
  ] as const
  for (const [text, message] of texts) assert.throws(() => parseCid(text), { code: 'INVALID_CID', message }, text)
})

test('no text and no bytes do more than be refused', () => {
  const onlyClusterError = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      assert.ok(error instanceof ClusterError, String(error))
    }
  }
  const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string().map((text) => `b${text}`), fc.string().map((text) => `z${text}`))
  fc.assert(fc.property(anyText, (text) => onlyClusterError(() => parseCid(text))), { numRuns: 2000 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => onlyClusterError(() => cidFromBytes(bytes))), { numRuns: 2000 })
})
