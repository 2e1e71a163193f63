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

/** Notes what the peer does, which has `found` then. */
async function change (history: History, peer: PeerId, found: Pin | undefined, work: (consensus: RecordedConsensus) => Promise<void>): Promise<void> {
  const consensus: RecordedConsensus = { pinset: () => ({ get: async () => found }), logPin: async () => {}, logMove: async () => {}, logUnpin: async () => {} }
  history.record(peer, consensus)
  const answered = history.userAsks(peer)
  await work(consensus)
  answered()
}

/** Notes that the peer, which has `found` then, is asked to remove the pin and does so. */
function unpin (history: History, peer: PeerId, found: Pin): Promise<void> {
  return change(history, peer, found, consensus => consensus.logUnpin(found))
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

test('who has lost again what all had agreed on removes what it has itself', async () => {
  const history = afterMove()
  history.fallBehind(there)
  await unpin(history, there, asked)
  assert.deepEqual(history.allowed(cid), { values: new Set([storedForm(moved)]), mayBeAbsent: true })
})

test('what a peer is being asked for does not follow what its disk loses meanwhile', async () => {
  const again = pinOf(1, { name: 'again' })
  for (const isLost of [false, true]) {
    const history = new History(() => {}, () => {})
    await change(history, here, undefined, consensus => consensus.logPin(asked))
    await change(history, there, asked, async consensus => {
      const logged = consensus.logPin(again)
      await Promise.resolve()
      if (isLost) history.fallBehind(there)
      await logged
    })
    await unpin(history, there, again)
    assert.deepEqual(history.allowed(cid), { values: new Set(isLost ? [storedForm(asked)] : []), mayBeAbsent: true })
  }
})

test('who was away and has learned what the others had removes it', async () => {
  const history = afterMove(there)
  await unpin(history, there, moved)
  assert.deepEqual(history.allowed(cid), { values: new Set(), mayBeAbsent: true })
})

test('a move does not stand against the unpin of what it moves', async () => {
  const history = new History(() => {}, () => {})
  await change(history, there, undefined, consensus => consensus.logPin(asked))
  await change(history, here, asked, consensus => consensus.logMove(asked, moved))
  assert.deepEqual(history.allowed(cid), { values: new Set([storedForm(asked), storedForm(moved)]), mayBeAbsent: false })
  await unpin(history, there, asked)
  assert.deepEqual(history.allowed(cid), { values: new Set(), mayBeAbsent: true })
})

test('a move may stand where somebody else has pinned the same again', async () => {
  const again = pinOf(1, { name: 'again' })
  const history = new History(() => {}, () => {})
  await change(history, there, undefined, consensus => consensus.logPin(asked))
  await change(history, here, asked, consensus => consensus.logMove(asked, moved))
  await change(history, peerOf(3), asked, consensus => consensus.logPin(again))
  await unpin(history, there, asked)
  assert.deepEqual(history.allowed(cid).values, new Set([storedForm(again), storedForm(moved)]))
})

test('an unpin does not take what is pinned elsewhere after its answer, and may take what is pinned before', async () => {
  const again = pinOf(1, { name: 'again' })
  const isAfter = async (isAnswered: boolean): Promise<boolean> => {
    const history = new History(() => {}, () => {})
    await change(history, there, undefined, consensus => consensus.logPin(asked))
    const pinAgain = (): Promise<void> => change(history, here, asked, consensus => consensus.logPin(again))
    if (!isAnswered) await pinAgain()
    await unpin(history, there, asked)
    if (isAnswered) await pinAgain()
    return history.allowed(cid).mayBeAbsent
  }
  assert.equal(await isAfter(true), false)
  assert.equal(await isAfter(false), true)
})

test('nor does an unpin that a process took with it when it ended, and nobody waits for its answer after the next agreement', async () => {
  const history = new History(() => {}, () => {})
  await change(history, there, undefined, consensus => consensus.logPin(asked))
  const consensus: RecordedConsensus = { pinset: () => ({ get: async () => asked }), logPin: async () => {}, logMove: async () => {}, logUnpin: () => new Promise(() => {}) }
  history.record(there, consensus)
  void consensus.logUnpin(asked)
  await new Promise(resolve => { setImmediate(resolve) })
  assert.equal(history.allowed(cid).mayBeAbsent, true)
  const again = pinOf(1, { name: 'again' })
  const pinAgain = (): Promise<void> => change(history, here, asked, consensus => consensus.logPin(again))
  history.end(there)
  await pinAgain()
  assert.equal(history.allowed(cid).mayBeAbsent, false)
  history.restart(new Map([[cid, storedForm(asked)]]))
  assert.deepEqual(history.allowed(cid), { values: new Set([storedForm(asked)]), mayBeAbsent: false })
})

test('what a process that is gone had begun is not known to be there, nor what it followed', async () => {
  const history = new History(() => {}, () => {})
  await change(history, here, undefined, consensus => consensus.logPin(asked))
  const unanswered = { pinset: () => ({ get: async () => asked }), logPin: async () => {}, logMove: () => new Promise<void>(() => {}), logUnpin: async () => {} }
  history.record(there, unanswered)
  void (unanswered as RecordedConsensus).logMove(asked, moved)
  history.end(there)
  const older = pinOf(1, { name: 'older' })
  await unpin(history, there, older)
  assert.ok(history.allowed(cid).values.has(storedForm(asked)), 'it may have lost the pin with the power')
})
