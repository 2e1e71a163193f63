import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cid } from '../../domain/cid.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, namesOf, pinOf, type CrdtPeer } from './crdt-peers.fixture.ts'
import { FaultyStore } from './faulty-store.fixture.ts'

/* What a disk that fails has kept, or lost, is another thing than what this peer has in mind. */

/** The store as long as a process lives. */
function untilKilled (store: FaultyStore): { readonly store: Store, readonly kill: () => void } {
  let isKilled = false
  const living = store.withBatch((operations, options) => isKilled ? new Promise(() => {}) : store.batch(operations, options))
  return { store: living, kill: () => { isKilled = true } }
}

/** Follows the changes as the tracker does: names of what is pinned, by CID. */
function followed ({ consensus }: CrdtPeer): Map<Cid, string> {
  const names = new Map<Cid, string>()
  const follow = async (): Promise<void> => {
    for await (const changes of consensus.changes().read({ signal: new AbortController().signal })) {
      for (const { cid, pin } of changes) {
        if (pin === undefined) names.delete(cid)
        else names.set(cid, pin.name)
      }
    }
  }
  void follow()
  return names
}

test('who follows the changes is told what is there, not what was waiting, when a delta that failed was on disk all the same', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new FaultyStore()
  const other = await BarePeer.start(peers, 1)
  const peer = await peers.start(0, { store, batching: { maxSize: 100, maxAgeMs: 10_000 } })
  const names = followed(peer)
  await other.tell([other.node(5, [], [pinOf(1)]).cid])
  await peers.clock.advance(1_000)
  await peers.done(peer.consensus.logUnpin(pinOf(1)))
  // Behind the unpin, but of a lower priority than what is unpinned.
  await other.tell([other.node(1, [], [pinOf(1, { name: 'behind' })]).cid])
  await peers.clock.advance(1_000)
  store.faults = ['all']
  await peers.clock.advance(20_000)
  assert.deepEqual([store.faults, await namesOf(peer), [...names.values()]], [[], ['behind'], ['behind']])
  await peers.stop()
})

test('nodes whose merge a disk has lost are merged again, though nobody tells of them', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new FaultyStore()
  const other = await BarePeer.start(peers, 1)
  const peer = await peers.start(0, { store })
  const first = other.node(1, [], [pinOf(1)])
  const second = other.node(2, [first], [pinOf(2)])
  other.blocks.delete(first.cid.toString())
  await other.tell([second.cid])
  await peers.clock.advance(1_000)
  await peers.done(peer.consensus.logPin(pinOf(3)))
  await peers.clock.advance(1_000)
  assert.deepEqual(peer.consensus.inspect().unmerged, { missing: 1, stored: 1 })
  other.blocks.set(first.cid.toString(), first.bytes)
  await peers.clock.advance(30_000)
  assert.deepEqual((await namesOf(peer)).toSorted(), ['pin 1', 'pin 2', 'pin 3'])

  store.faults = ['nothing since the last sync']
  await Promise.all([assert.rejects(peer.consensus.logPin(pinOf(4))), peers.clock.settle()])
  await peers.done(peer.consensus.logPin(pinOf(5)))
  await peers.clock.advance(30_000)
  assert.deepEqual((await namesOf(peer)).toSorted(), ['pin 1', 'pin 2', 'pin 3', 'pin 5'])
  await peers.stop()
})

test('a head that the disk has lost, and that a look over the set misses, is one again when it comes', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new FaultyStore()
  const other = await BarePeer.start(peers, 1)
  const peer = await peers.start(0, { store, batching: { maxSize: 100, maxAgeMs: 10_000 } })
  await peers.clock.advance(30_000)
  await peers.done(peer.consensus.logPin(pinOf(2)))
  const head = other.node(1, [], [pinOf(1)])
  await other.tell([head.cid])
  await peers.clock.advance(1_000)
  assert.deepEqual(peer.consensus.inspect().heads, [head.cid.toString()])
  store.faults = ['nothing since the last sync']
  await peers.clock.advance(9_050)
  assert.deepEqual(store.faults, [])
  // The look begins before the delta is tried again.
  await store.batch([], { sync: false })
  peer.consensus.repairSoon()
  await peers.clock.advance(30_000)
  await other.tell([head.cid])
  await peers.clock.advance(30_000)
  const { heads } = peer.consensus.inspect()
  assert.deepEqual([heads.includes(head.cid.toString()), heads.length], [true, 2])
  await peers.stop()
})

test('a pin wins over what its user has seen, also when the disk loses that and the process is killed before the delta', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new FaultyStore()
  const other = await BarePeer.start(peers, 1)
  const living = untilKilled(store)
  const killed = await peers.start(0, { store: living.store, batching: { maxSize: 100, maxAgeMs: 10_000 } })
  const seen = other.node(5, [], [pinOf(1, { name: 'seen' })])
  // Its heads are told, and synced for that.
  await peers.clock.advance(30_000)
  await other.tell([seen.cid])
  await peers.clock.advance(1_000)
  assert.deepEqual(await namesOf(killed), ['seen'])
  store.faults = ['nothing since the last sync']
  await Promise.all([assert.rejects(killed.consensus.logPin(pinOf(2))), peers.clock.settle()])
  await peers.done(killed.consensus.logPin(pinOf(1, { name: 'again' })).then(living.kill))
  await killed.network.stop()
  peers.running.delete(0)

  const peer = await peers.start(0, { store })
  await peers.clock.advance(1_000)
  await other.tell([seen.cid])
  await peers.clock.advance(10_000)
  assert.deepEqual([await namesOf(peer), peer.consensus.inspect().headCount], [['again'], 2])
  await peers.stop()
})
