import assert from 'node:assert/strict'
import { test } from 'node:test'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { CrdtPeers, namesOf, pinOf, setOf, peerOf } from './crdt-peers.fixture.ts'

test('a pin of one peer is seen by the others at once, and its removal too', async () => {
  const clock = virtualClock()
  const peers = new CrdtPeers(clock)
  const [a, b, c] = [await peers.start(0), await peers.start(1), await peers.start(2)]
  await clock.advance(1_000)
  await peers.done(a.consensus.logPin(pinOf(1)))
  for (const peer of [a, b, c]) assert.deepEqual(await namesOf(peer), ['pin 1'])
  await peers.done(b.consensus.logUnpin(pinOf(1)))
  for (const peer of [a, b, c]) assert.deepEqual(await namesOf(peer), [])
  assert.deepEqual(await setOf(a), await setOf(b))
  assert.deepEqual(await setOf(a), await setOf(c))
  await peers.stop()
})

test('a peer that joins gets everything from before, soon', async () => {
  const clock = virtualClock()
  const peers = new CrdtPeers(clock)
  const a = await peers.start(0)
  for (let n = 0; n < 40; n++) {
    await peers.done(a.consensus.logPin(pinOf(n)))
    await clock.advance(60)
  }
  const b = await peers.start(1)
  await clock.advance(2_000)
  assert.equal(b.consensus.pinset().count(), 40)
  assert.deepEqual(await setOf(a), await setOf(b))
  await peers.stop()
})

test('what an untrusted peer tells changes nothing', async () => {
  const clock = virtualClock()
  const peers = new CrdtPeers(clock)
  const a = await peers.start(0, { trustedPeers: [peerOf(2)] })
  const b = await peers.start(1)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await clock.advance(120_000)
  assert.deepEqual(await namesOf(a), [])
  assert.deepEqual(await setOf(a), ['/c/crdt_version=02'])
  await peers.stop()
})
