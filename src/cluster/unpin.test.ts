import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { PinMessage } from '../codec/messages.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLoggers } from '../platform/logger.ts'
import { memoryStore } from '../platform/memory-store.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { unpin, unpinMade } from './unpin.ts'

const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId

function cidOf (bytes: string | Uint8Array, codec = 0x55): Cid {
  return cidFromBytes(Uint8Array.of(1, codec, 0x12, 0x20, ...createHash('sha256').update(bytes).digest()))
}

/** One peer, alone, and the cluster DAGs on its IPFS node. */
async function peerWithShards () {
  const consensus = new CrdtConsensus({ self, store: memoryStore(), codec: PinMessage, datastoreNamespace: '/c', trustedPeers: ['*'], batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform: { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics } })
  await consensus.start()
  const blocks = new Map<Cid, Uint8Array>()
  const ipfs = {
    async getBlock (cid: Cid) {
      const block = blocks.get(cid)
      if (block === undefined) throw new ClusterError('IPFS_ANSWER', 'no such block')
      return block
    },
  } as unknown as IpfsConnector
  const log = async (cid: Cid, changes: Partial<Pin>): Promise<Pin> => {
    const pin: Pin = { ...pinWithOptions(cid, defaultPinOptions, systemClock.now()), allocations: [], ...changes }
    await consensus.logPin(pin)
    return pin
  }
  const put = (links: readonly Cid[]): Cid => {
    const bytes = encode(Object.fromEntries(links.map(link => CID.parse(link)).entries()))
    const cid = cidOf(bytes, 0x71)
    blocks.set(cid, bytes)
    return cid
  }
  return {
    blocks,
    log,
    async unlog (cid: Cid): Promise<void> { await consensus.logUnpin(await consensus.pinset().get(cid) as Pin) },
    unpin: (cid: Cid) => unpin(consensus, ipfs, cid, {}),
    unpinMade: (pin: Pin) => unpinMade(consensus, pin),
    /** A node that lists others. */
    put,
    /** The pins of content that was added over these shards. */
    async add (root: Cid, ...shards: Cid[]): Promise<Cid> {
      const clusterDag = put(shards)
      for (const shard of shards) await log(shard, { type: 'shard-pin', maxDepth: 1 })
      await log(clusterDag, { type: 'clusterdag-pin', maxDepth: 0, reference: root })
      await log(root, { type: 'meta-pin', maxDepth: 0, reference: clusterDag })
      return clusterDag
    },
    async pinned (...cids: Cid[]): Promise<boolean[]> { return Promise.all(cids.map(cid => consensus.pinset().has(cid))) },
    stop: () => consensus.stop(),
  }
}

test('what was added over shards goes with all of them, but for those that other content lies on too', async () => {
  const peer = await peerWithShards()
  const [first, second, shared, ofFirst, ofSecond, ordinary] = ['first', 'second', 'shared', 'of first', 'of second', 'ordinary'].map(text => cidOf(text)) as [Cid, Cid, Cid, Cid, Cid, Cid]
  const firstDag = await peer.add(first, shared, ofFirst)
  const secondDag = await peer.add(second, shared, ofSecond)
  await peer.log(ordinary, {})

  assert.equal((await peer.unpin(first)).type, 'meta-pin')
  assert.deepEqual(await peer.pinned(first, firstDag, ofFirst), [false, false, false])
  assert.deepEqual(await peer.pinned(second, secondDag, shared, ofSecond), [true, true, true, true])
  await assert.rejects(peer.unpin(shared), { message: 'cannot unpin a shard directly. Unpin content root CID instead' })
  await assert.rejects(peer.unpin(secondDag), { message: 'cannot unpin a Cluster DAG directly. Unpin content root CID instead' })

  await peer.unpin(second)
  assert.deepEqual(await peer.pinned(second, secondDag, shared, ofSecond, ordinary), [false, false, false, false, true])
  await peer.stop()
})

test('content of so many shards that its cluster DAG has nodes between goes with all of them, and keeps those that other content had in common', async () => {
  const peer = await peerWithShards()
  const [large, small, alike] = ['large', 'small', 'alike'].map(text => cidOf(text)) as [Cid, Cid, Cid]
  const shards = Array.from({ length: 5 }, (_, n) => cidOf(`shard ${n}`))
  const nodes = [peer.put(shards.slice(0, 2)), peer.put(shards.slice(2, 4)), peer.put(shards.slice(4))]
  const largeDag = peer.put(nodes)
  for (const shard of shards) await peer.log(shard, { type: 'shard-pin', maxDepth: 1 })
  await peer.log(largeDag, { type: 'clusterdag-pin', maxDepth: 0, reference: large })
  await peer.log(large, { type: 'meta-pin', maxDepth: 0, reference: largeDag })
  await peer.add(small, shards[3] as Cid)
  await peer.unpin(small)
  assert.deepEqual(await peer.pinned(small, ...shards), [false, true, true, true, true, true])
  await assert.rejects(peer.unpin(shards[4] as Cid), { message: 'cannot unpin a shard directly. Unpin content root CID instead' })

  await peer.add(alike, shards[0] as Cid)
  const node = nodes[2] as Cid
  const bytes = peer.blocks.get(node) as Uint8Array
  peer.blocks.delete(node)
  await assert.rejects(peer.unpin(large), { code: 'IPFS_ANSWER' }, 'what it lists is not known')
  assert.deepEqual(await peer.pinned(large, largeDag, ...shards), Array.from({ length: 7 }, () => true))
  peer.blocks.set(node, bytes)
  await peer.unpin(large)
  assert.deepEqual(await peer.pinned(large, largeDag, ...shards), [false, false, true, false, false, false, false])
  await peer.stop()
})

test('content whose shards have gone already goes, whether nodes still have them or not, and holds up no other', async () => {
  const peer = await peerWithShards()
  const [root, other] = [cidOf('root'), cidOf('other')]
  const kept = peer.put([cidOf('block of a shard')])
  const clusterDag = await peer.add(root, kept, cidOf('thrown away'))
  await peer.add(other, cidOf('shard'))
  for (const shard of [kept, cidOf('thrown away')]) await peer.unlog(shard)
  await peer.unpin(other)
  assert.deepEqual(await peer.pinned(other, cidOf('shard')), [false, false])
  await peer.unpin(root)
  assert.deepEqual(await peer.pinned(root, clusterDag), [false, false])
  await peer.stop()
})

test('of content that goes at the same time nothing is left', async () => {
  const peer = await peerWithShards()
  const [first, second, shared] = ['first', 'second', 'shared'].map(text => cidOf(text)) as [Cid, Cid, Cid]
  const dags = [await peer.add(first, shared), await peer.add(second, shared, cidOf('more'))]
  await Promise.all([peer.unpin(first), peer.unpin(second)])
  assert.deepEqual(await peer.pinned(first, second, ...dags, shared, cidOf('more')), Array.from({ length: 6 }, () => false))
  await peer.stop()
})

test('what a cluster DAG lists and somebody has pinned for itself stays', async () => {
  const peer = await peerWithShards()
  const [root, shard, own] = ['root', 'shard', 'own'].map(text => cidOf(text)) as [Cid, Cid, Cid]
  const clusterDag = await peer.add(root, shard, own)
  await peer.log(own, { type: 'pin' })
  await peer.unpin(root)
  assert.deepEqual(await peer.pinned(root, clusterDag, shard, own), [false, false, false, true])
  await peer.stop()
})

test('nothing goes while it cannot be known which shards other content lies on', async () => {
  const peer = await peerWithShards()
  const [first, second, shared] = ['first', 'second', 'shared'].map(text => cidOf(text)) as [Cid, Cid, Cid]
  const firstDag = await peer.add(first, shared)
  peer.blocks.delete(await peer.add(second, shared, cidOf('more')))
  await assert.rejects(peer.unpin(first), { code: 'IPFS_ANSWER' })
  assert.deepEqual(await peer.pinned(first, firstDag, shared), [true, true, true])
  await peer.stop()
})

test('what is left of an unpin that did not come to its end goes, also when no node has the cluster DAG any more', async () => {
  const peer = await peerWithShards()
  const [root, clusterDag] = [cidOf('root'), cidOf('cluster DAG')]
  await peer.log(root, { type: 'meta-pin', maxDepth: 0, reference: clusterDag })
  await peer.log(clusterDag, { type: 'clusterdag-pin', maxDepth: 0, reference: root })
  await assert.rejects(peer.unpin(root), { code: 'IPFS_ANSWER', message: 'error reading clusterDAG block from ipfs: no such block' })
  assert.deepEqual(await peer.pinned(root, clusterDag), [true, true])
  await peer.unlog(clusterDag)
  await peer.unpin(root)
  assert.deepEqual(await peer.pinned(root), [false])
  await peer.stop()
})

test('parts of content that is not pinned can be removed by themselves', async () => {
  const peer = await peerWithShards()
  const [root, other, orphan, shared, own] = ['root', 'other', 'orphan', 'shared', 'own'].map(text => cidOf(text)) as [Cid, Cid, Cid, Cid, Cid]
  const [clusterDag, otherDag] = [await peer.add(root, shared, own), await peer.add(other, shared)]
  await peer.log(orphan, { type: 'shard-pin', maxDepth: 1 })
  assert.equal((await peer.unpin(orphan)).type, 'shard-pin')
  for (const shard of [shared, own]) await assert.rejects(peer.unpin(shard), { code: 'PIN_REFUSED' })
  await assert.rejects(peer.unpin(clusterDag), { code: 'PIN_REFUSED' })
  await peer.unlog(root)
  assert.equal((await peer.unpin(clusterDag)).type, 'clusterdag-pin')
  assert.deepEqual(await peer.pinned(orphan, root, clusterDag, own, shared, other, otherDag), [false, false, false, false, true, true, true])
  await peer.stop()
})

test('what an add has made on its way is taken back, unless it was made anew since', async () => {
  const peer = await peerWithShards()
  const [left, renamed, later, gone] = ['left', 'renamed', 'later', 'gone'].map(text => cidOf(text)) as [Cid, Cid, Cid, Cid]
  const timestamp = 1_700_000_000_250
  const made: Pin[] = []
  for (const cid of [left, renamed, later]) made.push(await peer.log(cid, { type: 'shard-pin', maxDepth: 1, name: 'one', timestamp }))
  await peer.log(renamed, { type: 'shard-pin', maxDepth: 1, name: 'other', timestamp })
  await peer.log(later, { type: 'shard-pin', maxDepth: 1, name: 'one', timestamp: timestamp + 1_000 })
  for (const pin of [...made, { ...made[0] as Pin, cid: gone }]) await peer.unpinMade(pin)
  assert.deepEqual(await peer.pinned(left, renamed, later, gone), [false, true, true, false])
  await peer.stop()
})
