import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { PinMessage } from '../../codec/messages.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, namesOf, pinOf, seededRandom, type CrdtPeer } from './crdt-peers.fixture.ts'
import { encodeDeltaNode, type DeltaNode } from './delta.ts'
import { keyOfPin } from './pin-values.ts'
import { WalkRecords, type WalkRecord } from './walk-records.ts'

const minute = 60_000
const hour = 60 * minute

test('what is missing while nobody is there is not given up, and comes soon after somebody does', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const other = await BarePeer.start(peers, 1)
  const below = other.node(1, [], [pinOf(1)])
  other.blocks.delete(below.cid.toString())
  await other.tell([other.node(2, [below], [pinOf(2)]).cid])
  await peers.clock.advance(10_000)
  await other.network.stop()
  await peers.clock.advance(3 * hour)
  const { unmerged, holes } = a.consensus.inspect()
  assert.deepEqual({ unmerged, holes }, { unmerged: { missing: 1, stored: 1 }, holes: 0 })
  other.blocks.set(below.cid.toString(), below.bytes)
  await other.network.start(new AbortController().signal)
  await peers.clock.advance(5_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 1', 'pin 2'])
  await peers.stop()
})

test('what something here follows is not forgotten because somebody tells of it as a head', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const other = await BarePeer.start(peers, 1)
  const below = other.node(1, [], [pinOf(1)])
  other.blocks.delete(below.cid.toString())
  await other.tell([other.node(2, [below], [pinOf(2)]).cid])
  await peers.clock.advance(1_000)
  await other.tell([below.cid])
  await peers.clock.advance(5 * minute)
  assert.deepEqual(a.consensus.inspect().unmerged, { missing: 1, stored: 1 })
  await peers.clock.advance(20 * minute)
  const { unmerged, holes } = a.consensus.inspect()
  assert.deepEqual([await namesOf(a), unmerged, holes], [['pin 2'], { missing: 0, stored: 0 }, 1])
  await peers.stop()
})

test('that nothing comes of what is missing is told once, and again after something came', async () => {
  const peers = new CrdtPeers(virtualClock())
  const lines: string[] = []
  const logger = { ...silentLoggers.component('crdt'), warn: (...entry: unknown[]) => { lines.push(String(entry.at(-1))) } }
  let stalls = 0
  const platform: Platform = {
    clock: peers.clock,
    random: seededRandom(0),
    loggers: { component: () => logger },
    metrics: { counter: name => ({ add: count => { if (name === 'ipfscluster_crdt_stalls') stalls += count } }), gauge: () => ({ set: () => {} }) },
  }
  const a = await peers.start(0, { platform })
  const other = await BarePeer.start(peers, 1)
  await peers.clock.advance(hour)
  const below = other.node(1, [], [pinOf(1)])
  other.blocks.delete(below.cid.toString())
  await other.tell([other.node(2, [below], [pinOf(2)]).cid])
  const told = (): number => lines.filter(line => line.includes('no peer sends them')).length
  await peers.clock.advance(minute / 2)
  assert.deepEqual([stalls, told()], [0, 0])
  const { stalledMs } = a.consensus.inspect()
  assert.ok(stalledMs >= minute / 2 && stalledMs <= minute / 2 + 10_000, `${stalledMs} ms`)
  for (const times of [1, 2]) {
    await peers.clock.advance(3 * minute)
    assert.deepEqual([stalls, told()], [times, times])
    await other.tell([other.node(1, [], [pinOf(2 + times)]).cid])
  }
  await peers.clock.advance(1_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 3', 'pin 4'])
  await peers.stop()
})

/** A peer, and how often it has asked others for streams and blocks. */
async function peerWithCalls (peers: CrdtPeers): Promise<{ readonly peer: CrdtPeer, readonly calls: Readonly<Record<'open' | 'fetchBlock', number>> }> {
  const calls = { open: 0, fetchBlock: 0 }
  const peer = await peers.start(0, {
    network: network => ({
      ...network,
      open: (...args) => {
        calls.open++
        return network.open(...args)
      },
      fetchBlock: (...args) => {
        calls.fetchBlock++
        return network.fetchBlock(...args)
      },
    }),
  })
  return { peer, calls }
}

test('a peer that does not know how to send history, as those of the Go program, is asked for it every five minutes at most', async () => {
  const peers = new CrdtPeers(virtualClock())
  const { peer: a, calls } = await peerWithCalls(peers)
  const other = await BarePeer.start(peers, 1)
  await peers.clock.advance(minute)
  for (const [n, expected] of [1, 1, 1, 2].entries()) {
    const below = other.node(2 * n + 1, [], [pinOf(2 * n)])
    await other.tell([other.node(2 * n + 2, [below], [pinOf(2 * n + 1)]).cid])
    await peers.clock.advance(n === 2 ? 5 * minute : minute)
    assert.equal(calls.open, expected)
  }
  assert.equal((await namesOf(a)).length, 8)
  await peers.stop()
})

test('what nobody has is asked for less and less often', async () => {
  const peers = new CrdtPeers(virtualClock())
  const { peer: a, calls } = await peerWithCalls(peers)
  const other = await BarePeer.start(peers, 1)
  const below = other.node(1, [], [pinOf(1)])
  other.blocks.delete(below.cid.toString())
  await other.tell([other.node(2, [below], [pinOf(2)]).cid])
  await peers.clock.advance(minute)
  const first = calls.fetchBlock
  assert.ok(first >= 3 && first <= 6, `${first} times in a minute`)
  await peers.clock.advance(8 * minute)
  const later = calls.fetchBlock - first
  assert.ok(later > 0 && later <= 6, `${later} times in eight minutes`)
  assert.equal(a.consensus.inspect().unmerged.missing, 1)
  await peers.stop()
})

/** A peer that has left off where 1,100 nodes were not here, of which the last one on its disk can be had. */
async function peerWithout (peers: CrdtPeers, record: WalkRecord): Promise<CrdtPeer> {
  const store = memoryStore()
  const nodes = Array.from({ length: 1_100 }, (_, n) => encodeDeltaNode({ elements: [{ key: keyOfPin(pinOf(n)), id: '', value: PinMessage.encodeProtobuf(pinOf(n)) }], tombstones: [], priority: 1 }, []))
    .toSorted((a, b) => a.blockId < b.blockId ? -1 : 1)
  const change = new WalkRecords(store).change()
  for (const { blockId } of nodes) change.set(blockId.slice(1), undefined, record)
  await store.batch(change.operations(), { sync: true })
  const found = nodes.at(-1) as DeltaNode
  const fetchBlock = async (cid: CID): Promise<Uint8Array> => {
    if (cid.equals(found.cid)) return found.bytes
    throw new Error('nobody has it')
  }
  return peers.start(0, { store, network: network => ({ ...network, fetchBlock }) })
}

test('of more nodes than are taken from the disk at once the others are searched for too', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peerWithout(peers, { state: 'fetch', isInner: false, isLinked: true, from: undefined })
  await BarePeer.start(peers, 1)
  await peers.clock.advance(minute)
  assert.deepEqual([a.consensus.inspect().unmerged.missing, a.consensus.pinset().count()], [1_099, 1])
  await peers.stop()
})

test('of more holes than are tried at once the next have their turn when the next peer comes', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peerWithout(peers, { state: 'hole' })
  for (const holes of [1_100, 1_099]) {
    await BarePeer.start(peers, holes)
    await peers.clock.advance(minute)
    assert.equal(a.consensus.inspect().holes, holes)
  }
  assert.equal((await namesOf(a)).length, 1)
  await peers.stop()
})
