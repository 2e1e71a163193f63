import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as any from '../../test/arbitraries.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Metric } from '../domain/metric.ts'
import type { Pin } from '../domain/pin.ts'
import type { GlobalPinInfo } from '../domain/status.ts'
import * as messages from './messages.ts'
import type { SchemaMessage } from './schema.ts'

interface Case<T> { readonly message: SchemaMessage<T>, readonly values: fc.Arbitrary<T> }

function each<T> (message: SchemaMessage<T>, values: fc.Arbitrary<T>): Case<unknown> {
  return { message, values } as unknown as Case<unknown>
}

const cases: ReadonlyArray<Case<unknown>> = [
  each(messages.PinOptionsMessage, any.pinOptions),
  each(messages.PinMessage, any.pin),
  each(messages.PinInfoMessage, any.pinInfo),
  each(messages.GlobalPinInfoMessage, any.globalPinInfo),
  each(messages.PeerInformationMessage, any.peerInformation),
  each(messages.MetricMessage, any.metric),
  each(messages.AlertMessage, any.alert),
  each(messages.BandwidthMessage, any.bandwidth),
  each(messages.ConnectGraphMessage, any.connectGraph),
  each(messages.RepositoryCollectionMessage, any.repositoryCollection),
  each(messages.GlobalRepositoryCollectionMessage, any.globalRepositoryCollection),
  each(messages.AddedOutputMessage, any.addedOutput),
  each(messages.VersionMessage, any.text.map((version) => ({ version }))),
  each(messages.ErrorMessage, fc.tuple(fc.integer(), any.text).map(([code, message]) => ({ code, message }))),
]

function onlyClusterError (read: () => unknown): void {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof ClusterError, String(error))
    assert.equal(error.code, 'INVALID_WIRE_DATA')
  }
}

for (const { message, values } of cases) {
  test(`${message.name} comes back from JSON`, () => {
    fc.assert(fc.property(values, (value) => {
      const json = message.encodeJson(value)
      assert.doesNotMatch(json, /[<>&\u2028\u2029\n]/)
      assert.deepEqual(message.decodeJson(JSON.parse(json)), value)
    }))
  })

  test(`${message.name} comes back from msgpack`, () => {
    fc.assert(fc.property(values, (value) => {
      assert.deepEqual(message.decodeMsgpack(message.encodeMsgpack(value)), value)
    }))
  })

  test(`${message.name} refuses any other JSON and bytes with an error that names it`, () => {
    fc.assert(fc.property(fc.jsonValue(), (json) => onlyClusterError(() => message.decodeJson(json))))
    fc.assert(fc.property(fc.uint8Array(), (bytes) => onlyClusterError(() => message.decodeMsgpack(bytes))))
    assert.throws(() => message.decodeJson([]), { code: 'INVALID_WIRE_DATA', message: `${message.name}: expected an object, got an array` })
  })

  test(`${message.name} survives damage of its msgpack`, () => {
    fc.assert(fc.property(values, fc.nat(), fc.nat(255), (value, place, byte) => {
      const bytes = message.encodeMsgpack(value)
      onlyClusterError(() => message.decodeMsgpack(bytes.subarray(0, place % bytes.length)))
      bytes[place % bytes.length] = byte
      onlyClusterError(() => message.decodeMsgpack(bytes))
    }))
  })
}

test('a stored pin comes back from protobuf', () => {
  fc.assert(fc.property(any.storedPin, (pin) => {
    assert.deepEqual(messages.PinMessage.decodeProtobuf(messages.PinMessage.encodeProtobuf(pin)), pin)
  }))
})

test('what is at the end of its range can be read again from all that is made of it', () => {
  const usual = fc.sample(any.pin, { numRuns: 1, seed: 1 })[0] as Pin
  const json = { ...JSON.parse(messages.PinMessage.encodeJson(usual)) as object, shard_size: 2 ** 64, expire_at: '9999-12-31T23:59:59.9999999Z' }
  const read = messages.PinMessage.decodeJson(json)
  assert.equal(new Date(read.expireAt).getUTCFullYear(), 9999)
  const stored = messages.PinMessage.decodeProtobuf(messages.PinMessage.encodeProtobuf(read))
  assert.equal(stored.shardSize, read.shardSize)
  assert.ok(stored.shardSize > 2 ** 63)
  assert.equal(messages.PinMessage.decodeMsgpack(messages.PinMessage.encodeMsgpack(read)).shardSize, read.shardSize)
  for (const [timestamp, year] of [[1e18, 9999], [-1e18, 0]] as const) {
    const { timestamp: moment } = messages.PinMessage.decodeProtobuf(messages.PinMessage.encodeProtobuf({ ...usual, timestamp }))
    assert.equal(new Date(moment).getUTCFullYear(), year)
  }
})

test('the greatest number that the Go program writes can be written again', () => {
  const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32))
  const options = [0x20, ...Array.from({ length: 9 }, () => 255), 1]
  const pin = messages.PinMessage.decodeProtobuf(Uint8Array.of(0x0a, cid.length, ...cid, 0x32, options.length, ...options))
  assert.equal(messages.PinMessage.decodeProtobuf(messages.PinMessage.encodeProtobuf(pin)).shardSize, pin.shardSize)
})

test('the ends of the range of signed numbers are told as they are: readers of 64 bits take nothing beyond', () => {
  for (const [weight, text] of [[2 ** 63, '9223372036854775807'], [-(2 ** 63), '-9223372036854775808'], [2 ** 53 - 1, '9007199254740991'], [-7, '-7']] as const) {
    const metric = messages.MetricMessage.decodeMsgpack(messages.MetricMessage.encodeMsgpack({ ...fc.sample(any.metric, { numRuns: 1, seed: 1 })[0] as Metric, weight }))
    assert.ok(messages.MetricMessage.encodeJson(metric).includes(`"weight":${text},`))
  }
})

test('equal pins have equal protobuf whatever the order of their metadata', () => {
  fc.assert(fc.property(any.pin, (pin) => {
    const reversed = pin.metadata === null ? null : Object.fromEntries(Object.entries(pin.metadata).toReversed())
    assert.deepEqual(messages.PinMessage.encodeProtobuf({ ...pin, metadata: reversed }), messages.PinMessage.encodeProtobuf(pin))
  }))
})

test('protobuf of a pin survives damage', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => onlyClusterError(() => messages.PinMessage.decodeProtobuf(bytes))))
  fc.assert(fc.property(any.pin, fc.nat(), fc.nat(255), (pin, place, byte) => {
    const bytes = messages.PinMessage.encodeProtobuf(pin)
    onlyClusterError(() => messages.PinMessage.decodeProtobuf(bytes.subarray(0, place % bytes.length)))
    bytes[place % bytes.length] = byte
    onlyClusterError(() => messages.PinMessage.decodeProtobuf(bytes))
  }))
})

test('what the state does not keep is absent in a pin that was read from it', () => {
  const pin = { ...fc.sample(any.pin, { numRuns: 1, seed: 1 })[0] as Pin, mode: 'direct', maxDepth: -1, userAllocations: [], metadata: {}, origins: null, allocations: null } as const
  const stored = messages.PinMessage.decodeProtobuf(messages.PinMessage.encodeProtobuf(pin))
  assert.equal(stored.mode, 'recursive')
  assert.equal(stored.userAllocations, null)
  assert.equal(stored.metadata, null)
  assert.deepEqual(stored.origins, [])
  assert.deepEqual(stored.allocations, [])
})

test('metadata that an older peer wrote as a protobuf map is read', () => {
  const cid = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32))
  const entry = [0x32, 6, 0x0a, 1, 0x61, 0x12, 1, 0x62]
  const pin = messages.PinMessage.decodeProtobuf(Uint8Array.of(0x0a, cid.length, ...cid, 0x32, entry.length, ...entry))
  assert.deepEqual(pin.metadata, { a: 'b' })
})

test('an error names the path of the field', () => {
  const [info] = fc.sample(any.globalPinInfo, { numRuns: 1, seed: 3 })
  const json = JSON.parse(messages.GlobalPinInfoMessage.encodeJson({ ...info as GlobalPinInfo, peerMap: {} })) as Record<string, unknown>
  assert.throws(() => messages.GlobalPinInfoMessage.decodeJson({ ...json, peer_map: { somebody: { attempt_count: 'x' } } }), {
    message: 'GlobalPinInfo.peer_map.somebody.attempt_count: expected a whole number, got a string',
  })
  assert.throws(() => messages.PinMessage.decodeJson({}), { message: 'Pin.cid: missing' })
})
