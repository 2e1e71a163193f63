import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { peerId, storedPin } from '../../test/arbitraries.ts'
import { PinMessage } from '../codec/messages.ts'
import { cidKey } from '../domain/cid.ts'
import { expectedStatus } from '../domain/status.ts'
import { PinOfStore } from './listed-pin.ts'

test('a pin of the store is what its bytes say, also before it is decoded', () => {
  fc.assert(fc.property(storedPin, peerId, fc.nat(), (given, stranger, at) => {
    const value = PinMessage.encodeProtobuf(given)
    const pin = PinMessage.decodeProtobuf(value)
    const listed = new PinOfStore({ key: cidKey(pin.cid), value }, PinMessage)
    for (const peer of [stranger, ...pin.allocations ?? []].slice(0, 1 + at % 4)) assert.equal(listed.expectedStatus(peer), expectedStatus(pin, peer))
    assert.deepEqual([listed.cid, listed.value, listed.pin], [pin.cid, value, pin])
  }), { numRuns: 500 })
})
