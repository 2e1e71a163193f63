import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode } from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { dagAdder } from '../adder/dag-adder.ts'
import { generatedContent, collect, plainAddOptions, upload } from '../adder/uploads.fixture.ts'
import type { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { CrdtPeers, seededRandom, type CrdtPeer } from '../consensus/crdt/crdt-peers.fixture.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import { defaultPinOptions, type Pin } from '../domain/pin.ts'
import type { Block, IpfsConnector } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { unpin, unpinMade } from './unpin.ts'

/** Two peers whose IPFS nodes give each other every block. */
async function twoPeers () {
  const clock = virtualClock(1_700_000_000_000)
  const peers = new CrdtPeers(clock)
  const members = [await peers.start(1), await peers.start(2)] as const
  const blocks = new Map<string, Uint8Array>()
  const reads: { before: (cid: Cid) => Promise<void> } = { before: async () => {} }
  const ipfs = {
    async getBlock (cid: Cid) {
      await reads.before(cid)
      const block = blocks.get(cid)
      if (block === undefined) throw new ClusterError('IPFS_ANSWER', 'no such block')
      return block
    },
  } as unknown as IpfsConnector
  /** Adds content over shards there. `onPin` runs before each pin. */
  const add = async ({ id, consensus }: CrdtPeer, content: Uint8Array, onPin: (pin: Pin) => Promise<void> = async () => {}): Promise<Cid> => {
    const adder = dagAdder({
      self: id,
      destinations: { allocate: async () => [id] },
      destinationFor: peer => ({ peer, async putBlocks (stream: AsyncIterable<Block>) { for await (const { cid, bytes } of stream) blocks.set(cid.toString(), bytes.slice()) } }),
      pinRoot: async () => {},
      pinItem: async pin => {
        await onPin(pin)
        const isNew = !await consensus.pinset().has(pin.cid)
        const made = { ...pin, timestamp: clock.now() }
        await consensus.logPin(made)
        return { pin: made, isNew }
      },
      unpinItem: made => unpinMade(consensus, made),
      platform: { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics },
    })
    const pin = { ...defaultPinOptions, shardSize: 300_000, replicationFactorMin: 1, replicationFactorMax: 1 }
    const outputs = await collect(adder.add(upload([{ path: 'f', content }]), { ...plainAddOptions, shard: true, pin }, {}))
    return outputs.find(({ name }) => name === 'f')?.cid as Cid
  }
  return { peers, clock, members, reads, blocks, add, unpin: ({ consensus }: CrdtPeer, cid: Cid) => unpin(consensus, ipfs, cid, {}) }
}

async function pinsOf ({ consensus }: { readonly consensus: CrdtConsensus }): Promise<Pin[]> { return (await Array.fromAsync(consensus.pinset().list({}))).flat() }

async function kinds (peer: CrdtPeer): Promise<string[]> { return (await pinsOf(peer)).map(({ type }) => type).toSorted() }

const first = generatedContent(1, 600_000)
/** Begins alike. */
const second = Buffer.concat([first.subarray(0, 524_288), generatedContent(2, 200_000)])

test('a shard that one peer unpins with other content while another peer adds content that lies on it too stays', async () => {
  const { peers, clock, members: [one, other], add, unpin } = await twoPeers()
  const root = await peers.done(add(one, first))
  await clock.advance(5_000)
  assert.deepEqual(await kinds(other), await kinds(one))
  // The unpin knows of the shards, not of the cluster DAG that lists them; the add comes to its end before it hears of the unpin.
  let isUnpinned = false
  await peers.done(add(other, second, async ({ type }) => {
    if (type !== 'clusterdag-pin' || isUnpinned) return
    isUnpinned = true
    await sleep(clock, 5_000)
    await unpin(one, root)
  }))
  await clock.advance(60_000)
  for (const peer of [one, other]) assert.deepEqual(await kinds(peer), ['clusterdag-pin', 'meta-pin', 'shard-pin', 'shard-pin', 'shard-pin'], `of ${peer.id}`)
  await peers.stop()
})

test('a shard that other content lies on since an unpin has looked stays, also where the unpin takes the pins of both', async () => {
  const { peers, clock, members: [one, other], reads, add, unpin } = await twoPeers()
  const root = await peers.done(add(one, first))
  await peers.done(add(one, generatedContent(3, 1_000)))
  await clock.advance(5_000)
  const clusterDags = (await Array.fromAsync(one.consensus.pinset().clusterDags({}))).flat()
  let isAdded = false
  reads.before = async cid => {
    // The last of those that it looks through.
    if (isAdded || cid !== clusterDags.findLast(dag => dag !== own)) return
    isAdded = true
    await add(other, second)
    await sleep(clock, 5_000)
  }
  const own = (await one.consensus.pinset().get(root))?.reference
  await peers.done(unpin(one, root))
  assert.ok(isAdded)
  await clock.advance(60_000)
  for (const peer of [one, other]) assert.deepEqual(await kinds(peer), ['clusterdag-pin', 'clusterdag-pin', 'meta-pin', 'meta-pin', 'shard-pin', 'shard-pin', 'shard-pin', 'shard-pin'], `of ${peer.id}`)
  await peers.stop()
})

test('whatever is added and unpinned at the same moment, content that is pinned has all its parts', async () => {
  const contents = [first, second, Buffer.concat([first, generatedContent(4, 400_000)])]
  for (let seed = 0; seed < Number(process.env.FLOTILLA_SHARD_SEEDS ?? 20); seed++) {
    const { peers, clock, members, reads, blocks, add, unpin } = await twoPeers()
    const random = seededRandom(seed)
    const pause = (): Promise<void> => random.fraction() < 0.6 ? Promise.resolve() : sleep(clock, random.integer(400))
    reads.before = pause
    const work = async (peer: CrdtPeer): Promise<void> => {
      for (let turn = 0; turn < 4; turn++) {
        await pause()
        const roots = (await pinsOf(peer)).filter(({ type }) => type === 'meta-pin')
        const root = roots[random.integer(roots.length)]
        if (root !== undefined && random.fraction() < 0.5) await unpin(peer, root.cid).catch((error: unknown) => { assert.match(String(error), /not part of the pinset/) })
        else await add(peer, contents[random.integer(contents.length)] as Buffer, pause)
      }
    }
    await peers.done(Promise.all([...members, ...members].map(work)))
    await clock.advance(60_000)
    for (const peer of members) {
      const pins = new Map((await pinsOf(peer)).map(pin => [pin.cid, pin]))
      for (const { type, cid, reference } of pins.values()) {
        if (type !== 'meta-pin') continue
        assert.equal(pins.get(reference as Cid)?.type, 'clusterdag-pin', `seed ${seed}: of ${cid} the list of its shards is pinned`)
        for (const shard of Object.values(decode<Record<string, CID>>(blocks.get(reference as string) as Uint8Array))) assert.equal(pins.get(cidFromBytes(shard.bytes))?.type, 'shard-pin', `seed ${seed}: of ${cid} shard ${shard} is pinned on ${peer.id}`)
      }
    }
    await peers.stop()
  }
})
