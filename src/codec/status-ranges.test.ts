import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { multiaddress, peerId, pinInfo, text } from '../../test/arbitraries.ts'
import { ClusterError } from '../domain/errors.ts'
import { PinInfoMessage } from './messages.ts'
import { MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack.ts'
import { RangeReplyValue, type RangeReply } from './status-ranges.ts'

const start = fc.record({
  isEqual: fc.boolean(),
  unexpected: fc.nat(),
  peername: text,
  ipfsPeerId: fc.option(peerId, { nil: undefined }),
  ipfsPeerAddresses: fc.option(fc.array(multiaddress, { minLength: 1, maxLength: 3 })),
}, { noNullPrototype: true })

function encode (reply: RangeReply): Uint8Array {
  const writer = new MsgpackWriter()
  RangeReplyValue.write(writer, reply)
  return writer.finish()
}

test('starts of ranges and statuses are told apart', () => {
  fc.assert(fc.property(start, reply => { assert.deepEqual(RangeReplyValue.read(new MsgpackReader(encode(reply))), reply) }))
  fc.assert(fc.property(pinInfo, reply => { assert.deepEqual(RangeReplyValue.read(new MsgpackReader(encode(reply))), PinInfoMessage.decodeMsgpack(PinInfoMessage.encodeMsgpack(reply))) }))
})

test('what is neither is refused', () => {
  const whole = encode({ isEqual: true, unexpected: 1, peername: 'a', ipfsPeerId: undefined, ipfsPeerAddresses: null })
  for (const bytes of [[], [0xc0], [0x90], [0x92, 0x80, 0x80], [0x91], [0x91, 0x01], [0x01], [0xa1, 0x61], [0x80], ...Array.from(whole.slice(1), (_, end) => whole.slice(0, end + 1))]) {
    assert.throws(() => RangeReplyValue.read(new MsgpackReader(Uint8Array.from(bytes))), ClusterError, bytes.join())
  }
})

test('a start whose names would fill memory with each status that they are filled in to is refused', () => {
  const named = (length: number) => encode({ isEqual: true, unexpected: 1, peername: 'a'.repeat(length), ipfsPeerId: undefined, ipfsPeerAddresses: null })
  assert.doesNotThrow(() => RangeReplyValue.read(new MsgpackReader(named(60_000))))
  assert.throws(() => RangeReplyValue.read(new MsgpackReader(named(66_000))), ClusterError)
})
