import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PinMessage } from '../../codec/messages.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { bareParts } from './bare-parts.fixture.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrashStore } from './crash-store.fixture.ts'
import { CrdtConsensus } from './crdt-consensus.ts'
import { CrdtPeers, cidOf, namesOf, pinOf, seededRandom, setOf, type CrdtPeer } from './crdt-peers.fixture.ts'
import { decodeDeltaNode, encodeDeltaNode, type DeltaNode } from './delta.ts'
import { FaultyStore } from './faulty-store.fixture.ts'
import { Journal } from './journal.ts'
import { keyOfPin } from './pin-values.ts'
import { repair } from './repair.ts'
import { markReplicaClean, markReplicaDirty, readReplicaState, replicaDot } from './replica-state.ts'

/** Two peers that have merged the same: ten pins, one after the other, of which three were removed. */
async function pair (): Promise<{ peers: CrdtPeers, a: CrdtPeer, b: CrdtPeer }> {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0), await peers.start(1)]
  for (let n = 0; n < 10; n++) {
    await peers.done(a.consensus.logPin(pinOf(n)))
    await peers.clock.advance(100)
  }
  for (let n = 0; n < 3; n++) {
    await peers.done(b.consensus.logUnpin(pinOf(n)))
    await peers.clock.advance(100)
  }
  return { peers, a, b }
}

async function keysUnder (store: Store, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(store.keys({ gte: prefix, lt: `${prefix}~` }))).flat()
}

/** Stops peer 1, does harm to its store, and starts it again. */
async function harm (peers: CrdtPeers, b: CrdtPeer, work: (store: Store) => Promise<void>, mark = (store: Store): Promise<void> => markReplicaDirty(store, '/c')): Promise<CrdtPeer> {
  await peers.done(b.stop())
  await work(b.store)
  await mark(b.store)
  const again = await peers.start(1, { store: b.store })
  await peers.clock.advance(200_000)
  return again
}

test('nodes that were never merged below the heads are found and merged', async () => {
  const { peers, a, b } = await pair()
  // As the Go program leaves it when it is stopped in the middle of a walk: the newest are merged.
  const again = await harm(peers, b, async store => {
    const blocks = await blocksByPriority(store)
    for (const priority of [2, 5]) {
      const name = blocks.get(priority) as string
      const entries = (await keysUnder(store, '/c/s/s/')).filter(key => key.endsWith(name))
      await store.batch([`/c/b/${name}`, `/c/b/blocks/${name}`, ...entries].map(key => ({ type: 'del', key })), { sync: true })
    }
    await store.batch([{ type: 'del', key: `/c/s/k/${keyOf(4)}/v` }, { type: 'del', key: `/c/s/k/${keyOf(4)}/p` }, { type: 'del', key: '/flotilla/heads' }], { sync: true })
  })
  assert.deepEqual(await setOf(again), await setOf(a))
  assert.equal(again.consensus.pinset().count(), 7)
  assert.equal(again.consensus.pinset().digest(), a.consensus.pinset().digest())
  assert.deepEqual((await readReplicaState(again.store, '/c')).isDirty, false)
  await peers.stop()
})

test('a folder of the Go program that was stopped before its walk came down to the head is whole again, and tells of all', async () => {
  const { peers, a, b } = await pair()
  const again = await harm(peers, b, async store => {
    const blocks = await blocksByPriority(store)
    const [newest, old] = [13, 4].map(priority => blocks.get(priority) as string) as [string, string]
    for (const priority of [5, 6, 7]) {
      const name = blocks.get(priority) as string
      const entries = (await keysUnder(store, '/c/s/s/')).filter(key => key.endsWith(name))
      await store.batch([`/c/b/${name}`, `/c/b/blocks/${name}`, ...entries].map(key => ({ type: 'del', key })), { sync: true })
    }
    await store.batch([{ type: 'del', key: `/c/h/${newest}` }, { type: 'put', key: `/c/h/${old}`, value: Uint8Array.of(4) }], { sync: true })
  })
  assert.deepEqual(await setOf(again), await setOf(a))
  await peers.done(a.stop())
  const newcomer = await peers.start(2)
  await peers.clock.advance(60_000)
  assert.deepEqual(await setOf(newcomer), await setOf(again))
  assert.equal(newcomer.consensus.pinset().count(), 7)
  await peers.stop()
})

test('blocks that are gone are fetched again', async () => {
  const { peers, a, b } = await pair()
  const again = await harm(peers, b, async store => {
    const blocks = await keysUnder(store, '/c/b/blocks/')
    await store.batch(blocks.slice(0, 6).map(key => ({ type: 'del', key })), { sync: true })
  })
  assert.deepEqual(await setOf(again), await setOf(a))
  assert.equal((await keysUnder(again.store, '/c/b/blocks/')).length, 13)
  await peers.stop()
})

test('blocks that have rotted are fetched again, of merged nodes and of those that wait', async () => {
  const { peers, a, b } = await pair()
  const rot = async (store: Store, key: string): Promise<void> => {
    const block = await store.get(key) as Uint8Array
    await store.batch([{ type: 'put', key, value: block.map(byte => byte ^ 1) }], { sync: true })
  }
  const again = await harm(peers, b, async store => { await rot(store, `/c/b/blocks/${(await blocksByPriority(store)).get(2)}`) })
  assert.deepEqual(await setOf(again), await setOf(a))
  assert.equal((await blocksByPriority(again.store)).size, 13)

  const other = await BarePeer.start(peers, 2)
  const below = other.node(20, [], [pinOf(20)])
  const above = other.node(21, [below], [pinOf(21)])
  other.blocks.delete(below.cid.toString())
  await other.tell([above.cid])
  await peers.clock.advance(1_000)
  await rot(a.store, `/c/b/blocks${above.blockId}`)
  other.blocks.set(below.cid.toString(), below.bytes)
  await peers.clock.advance(60_000)
  assert.deepEqual((await namesOf(a)).filter(name => /^pin 2./.test(name)).toSorted(), ['pin 20', 'pin 21'])
  await peers.stop()
})

test('what is merged during a look is not taken for lost', async () => {
  const { store, keys, replica, writer, records } = bareParts()
  const node = encodeDeltaNode({ elements: [], tombstones: [], priority: 1 }, [])
  const name = node.blockId.slice(1)
  const looked: Store = {
    ...store,
    keys (range) {
      const found = store.keys(range)
      if (range.gte === keys.block('')) void store.batch([{ type: 'put', key: keys.processed(name), value: new Uint8Array(0) }, { type: 'put', key: keys.block(name), value: node.bytes }], { sync: false })
      return found
    },
  }
  const missing: string[] = []
  await repair({ store: looked, keys, replica, writer, records, onMissing: nodes => { missing.push(...nodes.map(({ node }) => node)) } }, { withValues: false, signal: new AbortController().signal })
  assert.deepEqual(missing, [])
})

test('what is merged during a look makes no heads of what it follows', async () => {
  const { store, keys, replica, writer, records } = bareParts()
  const nodes: DeltaNode[] = []
  for (let n = 1; n <= 6; n++) nodes.push(encodeDeltaNode({ elements: [], tombstones: [], priority: n }, nodes.slice(-1).map(({ cid }) => cid)))
  const merge = (first: number, last: number): Promise<void> => writer.turn(async () => {
    for (const node of nodes.slice(first, last + 1)) await writer.commit({ prepared: await replica.prepareForeign([{ node, isInner: false }]), sync: false })
  })
  await merge(0, 0)
  // These came before they can be merged.
  await store.batch(nodes.slice(1, 3).map(({ blockId, bytes }) => ({ type: 'put', key: `/c/b/blocks${blockId}`, value: bytes })), { sync: false })
  const looked: Store = {
    ...store,
    async * iterate (range) {
      if (range.gte === '/c/b/blocks/') await merge(1, 1)
      yield * store.iterate(range)
    },
    async * keys (range) {
      if (range.gte === '/c/s/k/') await merge(2, 5)
      yield * store.keys(range)
    },
  }
  const report = await repair({ store: looked, keys, replica, writer, records, onMissing: () => {} }, { withValues: true, signal: new AbortController().signal })
  assert.equal(report.lostHeads, 0)
  assert.deepEqual(replica.heads.names(), [nodes.at(-1)?.blockId.slice(1)])
  assert.deepEqual(await keysUnder(store, '/flotilla/looked/'), [])
})

test('what a failing disk loses during a look is not written as if it were there', async () => {
  const nodes = [1, 2].map(n => pinOf(n)).reduce<DeltaNode[]>((before, pin, i) => [
    ...before, encodeDeltaNode({ elements: [{ key: keyOfPin(pin), id: '', value: PinMessage.encodeProtobuf(pin) }], tombstones: [], priority: i + 1 }, before.slice(-1).map(({ cid }) => cid))], [])
  let isLooking = false
  const markers = nodes.map(({ blockId }) => `/c/b${blockId}`).toSorted()
  /** Loses what is not synced when it is known which of the nodes are merged. */
  class Losing extends FaultyStore {
    override async getMany (keys: readonly string[]): Promise<Array<Uint8Array | undefined>> {
      const values = await super.getMany(keys)
      if (!isLooking || keys.join() !== markers.join()) return values
      this.faults = ['nothing since the last sync']
      await assert.rejects(this.batch([{ type: 'del', key: '/nothing' }], { sync: false }))
      await this.batch([], { sync: false })
      return values
    }
  }
  const [first, second] = nodes as [DeltaNode, DeltaNode]
  const parts = bareParts(new Losing())
  const { store, replica, writer } = parts
  const merge = (node: DeltaNode, sync: boolean): Promise<void> => writer.turn(async () => { await writer.commit({ prepared: await replica.prepareForeign([{ node, isInner: false }]), sync }) })
  await merge(first, true)
  for (const withValues of [true, false]) {
    await merge(second, false)
    isLooking = true
    await repair({ ...parts, onMissing: () => {} }, { withValues, signal: new AbortController().signal }).catch(() => {})
    isLooking = false
    await writer.turn(async () => {})
    assert.deepEqual([replica.heads.names(), await keysUnder(store, '/c/b/C')], [[first.blockId.slice(1)], [`/c/b${first.blockId}`]])
  }
})

test('heads that are none go', async () => {
  const { peers, a, b } = await pair()
  const again = await harm(peers, b, async store => {
    const blocks = await blocksByPriority(store)
    await store.batch([{ type: 'put', key: `/c/h/${blocks.get(3)}`, value: Uint8Array.of(3) }], { sync: true })
  })
  assert.deepEqual(await setOf(again), await setOf(a))
  await peers.stop()
})

test('values that are not what the nodes say are corrected on request, and readers of the changes hear of it', async () => {
  const { peers, a, b } = await pair()
  for (const n of [1, 9]) await peers.done(a.consensus.logPin(pinOf(n, { name: 'again' })))
  await peers.clock.advance(1_000)
  await peers.done(b.stop())
  await b.store.batch([
    // A value that is gone, some that no living element has (of which there may be none, or others), and an element and a tombstone that are gone.
    { type: 'del', key: `/c/s/k/${keyOf(5)}/v` },
    { type: 'del', key: `/c/s/k/${keyOf(5)}/p` },
    ...[0, 1, 9, 20].flatMap(n => [
      { type: 'put', key: `/c/s/k/${keyOf(n)}/v`, value: PinMessage.encodeProtobuf(pinOf(n)) } as const,
      { type: 'put', key: `/c/s/k/${keyOf(n)}/p`, value: Uint8Array.of(120) } as const,
    ]),
    ...(await keysUnder(b.store, `/c/s/s/${keyOf(7)}/`)).map(key => ({ type: 'del', key }) as const),
    ...(await keysUnder(b.store, `/c/s/t/${keyOf(2)}/`)).map(key => ({ type: 'del', key }) as const),
    { type: 'del', key: '/flotilla/format' },
  ], { sync: true })
  const again = await peers.start(1, { store: b.store })
  await peers.clock.advance(1_000)
  assert.notDeepEqual(await namesOf(again), await namesOf(a))
  again.consensus.repairSoon()
  await peers.clock.advance(1_000)
  assert.deepEqual(await setOf(again), await setOf(a))
  assert.deepEqual(await namesOf(again), await namesOf(a))
  assert.equal(again.consensus.pinset().digest(), a.consensus.pinset().digest())
  await peers.stop()
})

test('a set that is as its nodes say is left as it is', async () => {
  const { peers, a, b } = await pair()
  await peers.done(b.stop())
  for (const n of [1, 5]) {
    await peers.done(a.consensus.logPin(pinOf(n, { name: 'again' })))
    await peers.clock.advance(1_000)
  }
  await peers.done(a.consensus.logMove(pinOf(6), pinOf(6, { name: 'moved' })))
  await peers.clock.advance(1_000)
  // In one node.
  await peers.done(Promise.all([20, 21, 22].map(n => a.consensus.logPin(pinOf(n)))))
  await peers.stop()
  const entries = async (): Promise<unknown> => (await Array.fromAsync(a.store.iterate({}))).flat()
  const before = await entries()
  const parts = bareParts(a.store)
  await parts.replica.load()
  const report = await repair({ ...parts, onMissing: () => {} }, { withValues: true, signal: new AbortController().signal })
  assert.deepEqual(report, { nodes: 17, missing: 0, falseHeads: 0, lostHeads: 0, corrected: 0 })
  assert.deepEqual(await entries(), before)
})

test('a set that is marked dirty is wholly looked at: values, count and digest too', async () => {
  const { peers, a, b } = await pair()
  const again = await harm(peers, b, async store => {
    await store.batch([...['v', 'p'].map(end => ({ type: 'del', key: `/c/s/k/${keyOf(5)}/${end}` }) as const), { type: 'put', key: '/flotilla/count', value: Buffer.from('99') }], { sync: true })
  })
  assert.deepEqual(await setOf(again), await setOf(a))
  const figures = ({ consensus }: CrdtPeer): unknown => [consensus.pinset().count(), consensus.pinset().digest(), consensus.inspect().isDirty]
  assert.deepEqual(figures(again), figures(a))
  await peers.stop()
})

test('so it is when it was opened in between to read its pins, and a change that waited became a delta then', async () => {
  const { peers, a, b } = await pair()
  const again = await harm(peers, b, async store => {
    const platform = { clock: peers.clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics }
    const journal = new Journal({ store, clock: peers.clock, codec: PinMessage, heads: { highestSeen: 0, saw: () => {} }, onDurable: () => {} })
    await journal.load()
    await peers.done(journal.append(cidOf(20), pinOf(20)))
    await store.batch(['v', 'p'].map(end => ({ type: 'del', key: `/c/s/k/${keyOf(5)}/${end}` })), { sync: true })
    await markReplicaDirty(store, '/c')
    const reader = new CrdtConsensus({ self: b.id, store, codec: PinMessage, datastoreNamespace: '/c', trustedPeers: [], batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform })
    await reader.start()
    await peers.done(reader.stop())
  }, async () => {})
  assert.ok((await namesOf(a)).includes('pin 20'))
  assert.deepEqual(await setOf(again), await setOf(a))
  await peers.stop()
})

test('the state of a store that nobody uses is read, marked and drawn', async () => {
  const { peers, a } = await pair()
  await peers.stop()
  const { heads, maxHeight, isDirty } = await readReplicaState(a.store, '/c')
  assert.deepEqual({ heads: heads.length, maxHeight, isDirty }, { heads: 1, maxHeight: 13, isDirty: false })
  const store = new CrashStore()
  await store.batch((await Array.fromAsync(a.store.iterate({}))).flat().map(({ key, value }) => ({ type: 'put', key, value })), { sync: true })
  await markReplicaDirty(store, '/c')
  const marked = await store.crash(0)
  assert.equal((await readReplicaState(marked, '/c')).isDirty, true)
  await markReplicaClean(marked, '/c')
  assert.equal((await readReplicaState(await marked.crash(0), '/c')).isDirty, false)
  const lines = await Array.fromAsync(replicaDot(a.store, '/c'))
  assert.equal(lines.filter(line => line.includes('label=')).length, 13)
  assert.equal(lines[2], heads[0])
  assert.deepEqual(await Array.fromAsync(replicaDot(memoryStore(), '/c')), ['digraph CRDTDAG {', 'subgraph heads {', '}', '}'])
})

/** The names of blocks by the priority of their nodes, in a DAG that is a chain. */
async function blocksByPriority (store: Store): Promise<Map<number, string>> {
  const entries = (await Array.fromAsync(store.iterate({ gte: '/c/b/blocks/', lt: '/c/b/blocks0' }))).flat()
  return new Map(entries.map(({ key, value }) => [decodeDeltaNode(value).delta.priority, key.slice('/c/b/blocks/'.length)]))
}

function keyOf (n: number): string { return cidOf(n).slice(1).toUpperCase() }
