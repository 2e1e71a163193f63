import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress } from '../../domain/peer.ts'
import { peerIdFromBytes } from '../../domain/peer-id.ts'
import { decodeAnswer, decodeRequest, dialStatus, encodeAnswer, encodeRequest } from './autonat-message.ts'

const peer = peerIdFromBytes(Uint8Array.of(0x12, 32, ...new Uint8Array(32).fill(7)))
const address = '/ip4/1.2.3.4/tcp/9096' as Multiaddress
const addressBytes = '0401020304062388'

test('requests and answers have the form of the specification', () => {
  const id = `1220${'07'.repeat(32)}`
  // Type 0 (field 1), dial (2) of peer (1): id (1), addresses (2).
  assert.equal(Buffer.from(encodeRequest({ peer, addresses: [address] })).toString('hex'), `0800${'1230'}0a2e${'0a22'}${id}${'1208'}${addressBytes}`)
  // Type 1, answer (3): status (1) of two bytes, text (2), address (3).
  assert.equal(Buffer.from(encodeAnswer({ status: dialStatus.refused, text: 'no', address })).toString('hex'), `08011a10${'0865'}${'12026e6f'}${'1a08'}${addressBytes}`)
})

test('what is written is read; unknown fields and addresses are left out, garbage is refused', () => {
  const request = { peer, addresses: [address, '/dns4/a.example/tcp/1' as Multiaddress] }
  assert.deepEqual(decodeRequest(encodeRequest(request)), request)
  const answer = { status: dialStatus.ok, text: '', address }
  assert.deepEqual(decodeAnswer(encodeAnswer(answer)), answer)
  assert.deepEqual(decodeAnswer(Buffer.from('08011a0a08641a0404ffffff2001', 'hex')), { status: 100, text: '', address: undefined })
  assert.equal(decodeRequest(Buffer.of(8, 0)), undefined)
  assert.equal(decodeAnswer(encodeRequest(request)), undefined)
  assert.equal(decodeRequest(encodeRequest({ peer, addresses: Array.from({ length: 100 }, () => address) }))?.addresses.length, 16)
  for (const garbage of ['ff', '1205', '120a0a080a06ffff00000000']) assert.throws(() => decodeRequest(Buffer.from(garbage, 'hex')), { name: /Error/ }, garbage)
})
