import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as any from '../../test/arbitraries.ts'
import type { GlobalPinInfo, PeerPinStatus } from '../domain/status.ts'
import { GlobalPinInfoMessage, GlobalPinInfoSchema } from './messages.ts'

/** Pins of a listing: few peers, whose statuses are alike in most fields but not in all. */
const listing = fc.tuple(fc.uniqueArray(any.peerId, { maxLength: 4 }), fc.array(any.peerPinStatus, { minLength: 1, maxLength: 2 })).chain(([peers, statuses]) => {
  const [first, second] = [statuses[0] as PeerPinStatus, statuses.at(-1) as PeerPinStatus]
  const status = fc.constantFrom(
    first, second, { ...first, peername: second.peername }, { ...first, ipfsPeerId: second.ipfsPeerId }, { ...first, ipfsPeerAddresses: second.ipfsPeerAddresses },
    { ...first, status: second.status }, { ...first, timestamp: second.timestamp }, { ...first, error: second.error }, { ...first, attemptCount: second.attemptCount }, { ...first, priorityPin: !first.priorityPin },
  )
  const peerMap = fc.tuple(fc.shuffledSubarray(peers), fc.array(status, { minLength: 4, maxLength: 4 })).map(([some, told]) => Object.fromEntries(some.map((peer, i) => [peer, told[i] as PeerPinStatus])))
  return fc.array(fc.tuple(any.globalPinInfo, peerMap).map(([pin, peerMap]): GlobalPinInfo => ({ ...pin, peerMap })), { maxLength: 8 })
})

test('what is written once for many pins gives the text that the schema alone gives', () => {
  fc.assert(fc.property(listing, pins => {
    for (const pin of pins) assert.equal(GlobalPinInfoMessage.encodeJson(pin), GlobalPinInfoSchema.encodeJson(pin))
  }), { numRuns: 500 })
})

test('so does a list of more peers than are remembered', () => {
  const status: PeerPinStatus = { peername: 'name', ipfsPeerId: undefined, ipfsPeerAddresses: null, status: 16, timestamp: 0, error: '', attemptCount: 0, priorityPin: false }
  const peerMap = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`peer ${i}`, { ...status, peername: `name ${i}` }]))
  const [pin] = fc.sample(any.globalPinInfo, { numRuns: 1, seed: 1 })
  for (let n = 0; n < 2; n++) assert.equal(GlobalPinInfoMessage.encodeJson({ ...pin as GlobalPinInfo, peerMap }), GlobalPinInfoSchema.encodeJson({ ...pin as GlobalPinInfo, peerMap }))
})
