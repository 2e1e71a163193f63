import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as any from '../../test/arbitraries.ts'
import { cidFromBytes } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import { expectedStatus, type PeerPinStatus, type StatusTeller } from '../domain/status.ts'
import { ExpectedStatusLines } from './expected-status-lines.ts'
import { GlobalPinInfoSchema, PinMessage } from './messages.ts'
import { peerIdBytes, peerIdJson, peerIdText } from './peer-id-cache.ts'
import { StoredPinScan } from './stored-pin-scan.ts'

const version1 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(digest => cidFromBytes(Uint8Array.of(1, 0x55, 0x12, 0x20, ...digest)))

/** Pins of all shapes, most of them held by some of few peers, and what these peers are. */
const scene = fc.uniqueArray(any.peerId, { minLength: 1, maxLength: 5 }).chain(peers => fc.record({
  tellers: fc.array(any.peerPinStatus, { minLength: 5, maxLength: 5 }).map(statuses => peers.map((peer, i): StatusTeller => ({ ...statuses[i] as PeerPinStatus, peer }))),
  pins: fc.array(fc.tuple(any.storedPin, version1, fc.subarray(peers), fc.constantFrom(-1, 0, 2), fc.boolean()).map(([pin, cid, allocations, factor, isUsual]): Pin => isUsual
    ? { ...pin, cid, allocations, name: 'a name', metadata: null, origins: [], reference: undefined, pinUpdate: undefined, replicationFactorMin: factor, replicationFactorMax: factor }
    : pin), { maxLength: 6 }),
}))

function lineOf (value: Uint8Array, tellers: readonly StatusTeller[]): string {
  const pin = PinMessage.decodeProtobuf(value)
  const { cid, name, allocations, origins, timestamp, metadata } = pin
  const statusOf = ({ peer, peername, ipfsPeerId, ipfsPeerAddresses }: StatusTeller): [string, PeerPinStatus] =>
    [peer, { peername, ipfsPeerId, ipfsPeerAddresses, status: expectedStatus(pin, peer), timestamp, error: '', attemptCount: 0, priorityPin: false }]
  return `${GlobalPinInfoSchema.encodeJson({ cid, name, allocations, origins, created: timestamp, metadata, peerMap: Object.fromEntries(tellers.map(statusOf)) })}\n`
}

test('the lines are those that the schema makes of the statuses', () => {
  fc.assert(fc.property(scene, ({ pins, tellers }) => {
    const values = pins.map(pin => PinMessage.encodeProtobuf(pin))
    assert.equal(Buffer.concat([...new ExpectedStatusLines(tellers).lines(values)]).toString(), values.map(value => lineOf(value, tellers)).join(''))
  }), { numRuns: 500 })
})

test('they come in pieces of whole lines, however many and long they are', () => {
  const [pin] = fc.sample(any.storedPin, { numRuns: 1, seed: 3 }) as [Pin]
  const [status] = fc.sample(any.peerPinStatus, { numRuns: 1, seed: 3 }) as [PeerPinStatus]
  const tellers = fc.sample(any.peerId, { numRuns: 24, seed: 3 }).map((peer): StatusTeller => ({ ...status, peer }))
  const names = Array.from({ length: 2_000 }, (_, i) => i === 1_000 ? 'x'.repeat(300_000) : `name ${i}`)
  const values = names.map(name => PinMessage.encodeProtobuf({ ...pin, name }))
  const pieces = [...new ExpectedStatusLines(tellers).lines(values)]
  assert.ok(pieces.length > 10)
  for (const piece of pieces) assert.equal(piece.at(-1), 10)
  assert.equal(Buffer.concat(pieces).toString(), values.map(value => lineOf(value, tellers)).join(''))
})

test('a holder is known after the peers that were known are forgotten', () => {
  const [pin] = fc.sample(any.storedPin, { numRuns: 1, seed: 4 }) as [Pin]
  const [holder, other] = fc.sample(any.peerId, { numRuns: 2, seed: 4 }) as [PeerId, PeerId]
  const before = [peerIdJson(holder), peerIdJson(other)] as const
  for (const peer of fc.sample(any.peerId, { numRuns: 3_000, seed: 5 })) peerIdText(peerIdBytes(peer))
  const usual: Pin = { ...pin, cid: fc.sample(version1, { numRuns: 1, seed: 4 })[0] as Pin['cid'], type: 'pin', allocations: [holder], name: '', metadata: null, origins: [], reference: undefined, pinUpdate: undefined, replicationFactorMin: 1, replicationFactorMax: 1 }
  const scan = new StoredPinScan()
  assert.ok(scan.read(PinMessage.encodeProtobuf(usual)))
  assert.deepEqual(before.map(json => scan.expectedStatus(json)), [holder, other].map(peer => expectedStatus(usual, peer)))
})
