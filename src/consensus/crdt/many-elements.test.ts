import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PinMessage } from '../../codec/messages.ts'
import type { Pin } from '../../domain/pin.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { bareParts } from './bare-parts.fixture.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, namesOf, pinOf } from './crdt-peers.fixture.ts'
import { decodeDeltaNode, encodeDeltaNode, maxNodeBytes, type DeltaElement, type DeltaNode } from './delta.ts'
import { replicaKeys } from './keys.ts'
import { keyOfPin } from './pin-values.ts'
import { repair } from './repair.ts'
import { Replica, type Prepared } from './replica.ts'

/* A pin that is made anew has one more element in the set; some applications do so every minute. */

/** A replica that has merged nodes which all pin the same: `count` elements a key. */
async function replicaWith (keys: readonly string[], count: number): Promise<{ readonly replica: Replica, readonly commit: (prepared: Prepared) => Promise<void>, readonly store: Store }> {
  const store = memoryStore()
  const replica = new Replica(store, replicaKeys('/c'))
  await replica.load()
  let last: DeltaNode | undefined
  for (let begin = 0; begin < count; begin += 500) {
    const nodes: DeltaNode[] = []
    for (let n = begin; n < Math.min(count, begin + 500); n++) {
      const elements = keys.map((key): DeltaElement => ({ key, id: '', value: Uint8Array.of(n % 256, n >> 8) }))
      nodes.push(last = encodeDeltaNode({ elements, tombstones: [], priority: n + 1 }, last === undefined ? [] : [last.cid]))
    }
    const prepared = await replica.prepareForeign(nodes.map(node => ({ node, isInner: false })))
    await store.batch(prepared.operations, { sync: false })
    prepared.applied()
  }
  return { replica, store, commit: async prepared => {
    await store.batch(prepared.operations, { sync: false })
    prepared.applied()
  } }
}

/** Removes the keys; answers the nodes that it took, and how many values were asked of the store. */
async function removed (keys: readonly string[], count: number): Promise<{ readonly nodes: DeltaNode[], readonly reads: number }> {
  const { replica, commit, store } = await replicaWith(keys, count)
  const getMany = store.getMany.bind(store)
  let reads = 0
  store.getMany = asked => {
    reads += asked.length
    return getMany(asked)
  }
  const nodes: DeltaNode[] = []
  for (let left = keys; ;) {
    const prepared = await replica.prepareLocal(new Map([[keyOfPin(pinOf(999)), Uint8Array.of(1)]]), left)
    assert.ok(prepared !== undefined && nodes.length < 100)
    await commit(prepared)
    nodes.push(prepared.node)
    left = prepared.left
    if (left.length === 0) break
  }
  const result = { nodes, reads }
  assert.equal((await replica.prepareLocal(new Map(), keys)), undefined, 'no element is left')
  return result
}

test('no node of removals is larger than others take, however many elements there are; what is added comes in the last', async () => {
  const keysOf = (count: number): string[] => Array.from({ length: count }, (_, n) => keyOfPin(pinOf(n)))
  for (const { keys, count } of [{ keys: keysOf(200), count: 40 }, { keys: keysOf(30), count: 500 }, { keys: keysOf(1), count: 5_000 }, { keys: keysOf(2), count: 3 }]) {
    const { nodes, reads } = await removed(keys, count)
    assert.ok(reads < 2.1 * keys.length * count, `${reads} reads`)
    assert.equal(nodes.reduce((sum, { delta }) => sum + delta.tombstones.length, 0), keys.length * count)
    for (const node of nodes) {
      assert.ok(node.bytes.length < maxNodeBytes / 4, `${node.bytes.length} bytes`)
      decodeDeltaNode(node.bytes)
    }
    assert.deepEqual(nodes.map(({ delta }) => delta.elements.length), [...nodes.slice(1).map(() => 0), 1])
    assert.equal(nodes.length > 1, count > 3)
  }
})

test('what was pinned more than ten thousand times is gone when it is removed, also for who merges that', async () => {
  const key = keyOfPin(pinOf(1))
  const [own, other] = [await replicaWith([key], 10_500), await replicaWith([key], 10_500)]
  const valueAt = ({ store }: typeof own): Promise<Uint8Array | undefined> => store.get(replicaKeys('/c').value(key))
  assert.ok(await valueAt(own) !== undefined)
  for (let isPart = true; isPart;) {
    const prepared = await own.replica.prepareLocal(new Map(), [key])
    assert.ok(prepared !== undefined)
    isPart = prepared.left.length > 0
    await own.commit(prepared)
    await other.commit(await other.replica.prepareForeign([{ node: prepared.node, isInner: false }]))
    assert.deepEqual([await valueAt(own), await valueAt(other)].map(value => value !== undefined), [isPart, isPart])
  }
  const tombstones = await own.store.keysUnder([replicaKeys('/c').tombstonePrefix(key)], 20_000)
  assert.equal(tombstones[0]?.length, 10_500)
})

test('of more than ten thousand living elements the best is the value, in whichever order the removal of one of them comes', async () => {
  const key = keyOfPin(pinOf(1))
  const { replica, store, commit } = await replicaWith([key], 10_050)
  const blocks = (await Array.fromAsync(store.iterate({ gte: '/c/b/blocks/', lt: '/c/b/blocks0' }))).flat().map(({ value }) => decodeDeltaNode(value))
  // The last in the order of the store is the newest of all: with the same heads each node can come behind it.
  const lastId = blocks.at(-1)?.blockId as string
  let newest: DeltaNode | undefined
  for (let n = 0; newest === undefined || newest.blockId < lastId; n++) {
    newest = encodeDeltaNode({ elements: [{ key, id: '', value: Buffer.from(`newest ${n}`) }], tombstones: [], priority: 20_000 }, replica.heads.cids())
  }
  await commit(await replica.prepareForeign([{ node: newest, isInner: false }]))
  const removal = encodeDeltaNode({ elements: [], tombstones: [{ key, id: blocks[0]?.blockId as string, value: new Uint8Array(0) }], priority: 20_001 }, [newest.cid])
  const prepared = await replica.prepareForeign([{ node: removal, isInner: false }])
  assert.deepEqual(prepared.changes, [], 'the value stays')
})

test('an unpin that takes several nodes is done at all peers', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const b = await peers.start(2)
  const other = await BarePeer.start(peers, 1)
  const nodes: DeltaNode[] = []
  for (let n = 1; n <= 4_400; n++) nodes.push(other.node(n, nodes.slice(-1), [pinOf(1, { name: `${n}` })]))
  await other.tell([(nodes.at(-1) as DeltaNode).cid])
  await peers.clock.advance(30_000)
  assert.deepEqual([await namesOf(a), await namesOf(b)], [['4400'], ['4400']])
  await peers.done(a.consensus.logUnpin(pinOf(1)))
  assert.deepEqual(await namesOf(a), [])
  await peers.done(a.consensus.settled())
  await peers.clock.advance(10_000)
  assert.deepEqual([await namesOf(a), await namesOf(b), a.consensus.pinset().count(), b.consensus.pinset().count()], [[], [], 0, 0])
  const [tombstones] = await b.store.keysUnder([replicaKeys('/c').tombstonePrefix(keyOfPin(pinOf(1)))], 20_000)
  assert.equal(tombstones?.length, 4_400)
  assert.equal(a.consensus.inspect().unpublishedChanges, 0)
  await peers.stop()
})

test('large pins stand in nodes of their own, which others take', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const large = (n: number): Pin => pinOf(n, { metadata: { text: 'x'.repeat(700 * 1024) } })
  await peers.done(Promise.all([1, 2, 3].map(n => a.consensus.logPin(large(n)))))
  await peers.done(a.consensus.settled())
  assert.equal(a.consensus.inspect().maxHeight, 3)
  await peers.stop()
})

test('what is pinned and unpinned again and again leaves no elements to look at, in whichever order its nodes are merged', async () => {
  const keys = replicaKeys('/c')
  const key = keyOfPin(pinOf(1))
  const { store, replica, writer, records } = bareParts()
  const nodes: DeltaNode[] = []
  for (let n = 0; n < 100; n++) {
    const prepared = await replica.prepareLocal(n % 2 === 0 ? new Map([[key, PinMessage.encodeProtobuf(pinOf(1))]]) : new Map(), n % 2 === 0 ? [] : [key])
    await writer.commit({ prepared, sync: false })
    nodes.push(prepared?.node as DeltaNode)
  }
  const other = bareParts()
  for (let at = 0; at < nodes.length; at += 25) {
    const part = nodes.toReversed().slice(at, at + 25)
    await other.writer.commit({ prepared: await other.replica.prepareForeign(part.map(node => ({ node, isInner: at > 0 }))), sync: false })
  }
  for (const each of [store, other.store]) {
    assert.deepEqual(await each.keysUnder([keys.elementPrefix(key)], 100), [[]])
    assert.deepEqual((await each.keysUnder([keys.tombstonePrefix(key)], 100)).map(found => found.length), [50])
    assert.equal(await each.get(keys.value(key)), undefined)
  }
  const report = await repair({ store, keys, replica, writer, records, onMissing: () => {} }, { withValues: true, signal: new AbortController().signal })
  assert.deepEqual(report, { nodes: 100, missing: 0, falseHeads: 0, lostHeads: 0, corrected: 0 })
})
