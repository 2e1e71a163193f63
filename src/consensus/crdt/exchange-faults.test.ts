import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { CrdtPeers, namesOf, pinOf, setOf } from './crdt-peers.fixture.ts'
import { FaultyStore, type Fate } from './faulty-store.fixture.ts'

const fates = fc.array(fc.option(fc.constantFrom<Fate>('nothing', 'all', 'nothing since the last sync'), { freq: 2, nil: undefined }), { maxLength: 6 })
const step = fc.record({
  peer: fc.nat(1),
  cid: fc.nat(5),
  isUnpin: fc.boolean(),
  faults: fates,
  isFull: fc.boolean(),
  /** The one with the failing disk is away meanwhile, so that it has something to catch up with. */
  isAway: fc.boolean(),
  thenMs: fc.constantFrom(0, 60, 1_500),
})

test('a peer whose disk fails in the middle of merging comes to the same set, with index, count and digest', () => fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async steps => {
  const peers = new CrdtPeers(virtualClock())
  const store = new FaultyStore()
  const [sound, faulty] = [await peers.start(0), await peers.start(1, { store })]
  await peers.clock.advance(2_000)
  for (const [i, { peer, cid, isUnpin, faults, isFull, isAway, thenMs }] of steps.entries()) {
    if (isAway) await faulty.network.stop()
    store.faults = [...faults]
    store.isFull = isFull
    const at = peer === 0 ? sound : faulty
    const pin = pinOf(cid, { name: `pin ${i}`, allocations: [at.id], replicationFactorMin: 1, replicationFactorMax: 1 })
    const done = (isUnpin ? at.consensus.logUnpin(pin) : at.consensus.logPin(pin)).catch(() => {})
    await peers.clock.advance(thenMs)
    if (isAway) await faulty.network.start(new AbortController().signal)
    await peers.clock.settle()
    void done
  }
  store.faults = []
  store.isFull = false
  await peers.clock.advance(200_000)
  assert.deepEqual(await setOf(faulty), await setOf(sound))
  assert.deepEqual(await namesOf(faulty), await namesOf(sound))
  const { digest, pins, unmerged } = faulty.consensus.inspect()
  assert.deepEqual({ digest, unmerged }, { digest: sound.consensus.inspect().digest, unmerged: { missing: 0, stored: 0 } })
  assert.equal(pins, (await namesOf(faulty)).length)
  for (const { id } of [sound, faulty]) {
    const [one, other] = await Promise.all([sound, faulty].map(async peer => (await Array.fromAsync(peer.consensus.pinset().allocatedTo(id, {}))).flat()))
    assert.deepEqual(one, other)
  }
  await peers.stop()
}), { numRuns: 150 }))
