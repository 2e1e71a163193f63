import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as any from '../../test/arbitraries.ts'
import { cidFromBytes } from '../domain/cid.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'
import type { Pin } from '../domain/pin.ts'
import { PinMessage } from './messages.ts'
import { pinJsonFromProtobuf, roomForPinJson, writePinJson } from './pin-json.ts'

/** Pins of the shape that is written without a detour, and of shapes near to it. */
const usualPin: fc.Arbitrary<Pin> = fc.tuple(any.storedPin, fc.record({
  cid: fc.uint8Array({ minLength: 32, maxLength: 32 }).chain((digest) => fc.constantFrom(
    cidFromBytes(Uint8Array.of(0x12, 0x20, ...digest)), cidFromBytes(Uint8Array.of(1, 0x70, 0x12, 0x20, ...digest)))),
  name: fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom('', '<', '\x7f', '~ ok')),
  metadata: fc.option(fc.dictionary(fc.stringMatching(/^[a-zA-Z0-9]{1,5}$/), fc.string({ maxLength: 12 }), { minKeys: 1, maxKeys: 5, noNullPrototype: true })),
}), fc.boolean()).map(([stored, simple, plain]) => ({ ...stored, ...simple, reference: undefined, pinUpdate: undefined, origins: [], ...(plain ? { metadata: null, expireAt: 0 } : {}) }))

const pins = fc.oneof({ weight: 4, arbitrary: usualPin }, any.storedPin)

function expected (bytes: Uint8Array): string {
  return PinMessage.encodeJson(PinMessage.decodeProtobuf(bytes))
}

test('the JSON of stored bytes is that of the pin they stand for', () => {
  fc.assert(fc.property(pins, (pin) => {
    const bytes = PinMessage.encodeProtobuf(pin)
    assert.equal(pinJsonFromProtobuf(bytes), expected(bytes))
  }), { numRuns: 300 })
})

test('it is written into a given place and nowhere else', () => {
  fc.assert(fc.property(pins, fc.nat(50), (pin, at) => {
    const bytes = PinMessage.encodeProtobuf(pin)
    const target = new Uint8Array(at + roomForPinJson(bytes)).fill(0xee)
    const end = writePinJson(bytes, target, at)
    assert.equal(Buffer.from(target.subarray(at, end)).toString(), expected(bytes))
    assert.ok(target.subarray(0, at).every((byte) => byte === 0xee))
    assert.ok(target.subarray(end).every((byte) => byte === 0xee))
  }), { numRuns: 300 })
})

test('there is room for the address with the longest text for its bytes', () => {
  const [pin] = fc.sample(any.storedPin, { numRuns: 1, seed: 1 }) as [Pin]
  const bytes = PinMessage.encodeProtobuf({ ...pin, origins: [parseMultiaddress('/p2p-webrtc-direct'.repeat(100))] })
  const target = new Uint8Array(roomForPinJson(bytes))
  assert.equal(Buffer.from(target.subarray(0, writePinJson(bytes, target, 0))).toString(), expected(bytes))
})

test('damaged bytes give what the decoder says of them', () => {
  fc.assert(fc.property(pins, fc.nat(), fc.nat(255), fc.boolean(), (pin, place, byte, cut) => {
    let bytes = PinMessage.encodeProtobuf(pin)
    if (cut) bytes = bytes.slice(0, place % bytes.length)
    else bytes[place % bytes.length] = byte
    const outcome = (read: () => string): string => {
      try {
        return read()
      } catch (error) {
        return String(error)
      }
    }
    assert.equal(outcome(() => pinJsonFromProtobuf(bytes)), outcome(() => expected(bytes)))
  }), { numRuns: 1000 })
})
