import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { ClusterError } from '../domain/errors.ts'
import { ed25519PrivateKey, peerOfPrivateKey } from './private-key.ts'

test('keys of the types that libp2p takes belong to the peer that libp2p says', async () => {
  for (const key of [await generateKeyPair('Ed25519'), await generateKeyPair('secp256k1'), await generateKeyPair('RSA')]) {
    assert.equal(peerOfPrivateKey(privateKeyToProtobuf(key)), peerIdFromPrivateKey(key).toString(), key.type)
  }
})

test('keys that we make are libp2p\'s', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), seed => {
    const protobuf = ed25519PrivateKey(seed)
    assert.equal(peerIdFromPrivateKey(privateKeyFromProtobuf(protobuf)).toString(), peerOfPrivateKey(protobuf))
  }), { numRuns: 20 })
})

test('keys of the Go program\'s library', () => {
  const keys = {
    Qmbt9aDHQFDdBgdpd9BAwuwqaTnEVAMNKRUgS5DDv9zN6E: 'CAMSeTB3AgEBBCDMSjQY+dcr0M0QMYMR0VDV0NZxlW2trbmvfuAmDz6p3KAKBggqhkjOPQMBB6FEA0IABDD/uQeq4kiX3zb6m+brBDq6w6wDxPlL6duWVhhCnZZExSRQ9roTQBf0B1EoXOr59bhIjdKDb8jUFivcimrsy84=',
    '16Uiu2HAmGmMsjjEd9NTw3GRsCPKSFggFSvDaMNGLszgcGvXz8sRY': 'CAISIGunmN8A9u7Lc9eJjKJI62BTB9Ug5YbqsgGAKNW+zbzn',
    '12D3KooWN4XQAV3ndYpY7kxq77CNjRVCVJh9mk2WH9CgaY4xVQun': 'CAESQIQ0H/GkNIjrtJCGPqU9zOJcPtieDhpMWFRGezfxWQYUtezP+RooyySBT4/QKKKlbsc4ZPxSZV67wIAZPe7UlyE=',
  }
  for (const [peer, key] of Object.entries(keys)) assert.equal(peerOfPrivateKey(Buffer.from(key, 'base64')), peer)
})

test('no bytes make it fail in another way than by refusing them', () => {
  const key = ed25519PrivateKey(new Uint8Array(32))
  const damaged = fc.tuple(fc.nat(key.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, change]) => key.map((byte, index) => index === at ? byte ^ change : byte))
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), damaged, fc.nat(key.length - 1).map(end => key.subarray(0, end))), bytes => {
    assert.throws(() => peerOfPrivateKey(bytes), error => error instanceof ClusterError && error.code === 'INVALID_IDENTITY')
  }))
})
