import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerOf, pinOf } from '../consensus/crdt/crdt-peers.fixture.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import { History, storedForm, type RecordedConsensus } from './history.ts'

const here = peerOf(1)
const there = peerOf(2)
const asked = pinOf(1, { allocations: [there] })
const moved = pinOf(1, { allocations: [here] })
const { cid } = asked

/** Notes that the peer, which has `found` then, is asked to remove the pin and does so. */
async function unpin (history: History, peer: PeerId, found: Pin): Promise<void> {
  const consensus: RecordedConsensus = { pinset: () => ({ get: async () => found }), logPin: async () => {}, logUnpin: async () => {} }
  history.record(peer, consensus)
  const answered = history.userAsks(peer)
  await consensus.logUnpin(found)
  answered()
}

/** A history of which only the pin counts that was moved while `away`, if anybody, was away. */
function afterMove (away?: PeerId): History {
  const history = new History(() => {}, () => {})
  history.restart(new Map([[cid, storedForm(moved)]]), away)
  return history
}

test('who had agreed removes what all had', async () => {
  const history = afterMove()
  await unpin(history, there, moved)
  assert.deepEqual(history.allowed(cid), { values: new Set(), mayBeAbsent: true })
})

test('who was away while all others agreed removes what it has itself: what they had may stay', async () => {
  const history = afterMove(there)
  await unpin(history, there, asked)
  assert.deepEqual(history.allowed(cid), { values: new Set([storedForm(moved)]), mayBeAbsent: true })
})

test('who was away and has learned what the others had removes it', async () => {
  const history = afterMove(there)
  await unpin(history, there, moved)
  assert.deepEqual(history.allowed(cid), { values: new Set(), mayBeAbsent: true })
})
