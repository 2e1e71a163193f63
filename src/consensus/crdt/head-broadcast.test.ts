import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Network } from '../../platform/network.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { decodeBroadcast, encodeBroadcast } from './broadcast-message.ts'
import { CrdtPeers, namesOf, peerOf, pinOf } from './crdt-peers.fixture.ts'
import { CrashStore } from './crash-store.fixture.ts'
import { decodeDeltaNode } from './delta.ts'
import { crdtTopic } from './head-broadcast.ts'
import { readReplicaState } from './replica-state.ts'

const intervalMs = 60_000

/** Peers with one and the same set, and the heads that each message tells of. */
async function equalPeers (count: number): Promise<{ peers: CrdtPeers, messages: string[][] }> {
  const first = new CrdtPeers(virtualClock())
  const origin = await first.start(0)
  for (let n = 0; n < 3; n++) {
    await first.done(origin.consensus.logPin(pinOf(n)))
    await first.clock.advance(100)
  }
  const entries = (await Array.fromAsync(origin.store.iterate({}))).flat()
  await first.stop()

  const peers = new CrdtPeers(first.clock)
  const messages: string[][] = []
  const listening = (network: Network): Network => ({
    ...network,
    publish: (topic, data) => {
      messages.push(decodeBroadcast(data).map(({ cid }) => cid.toString()))
      return network.publish(topic, data)
    },
  })
  await Promise.all(Array.from({ length: count }, (_, n) => peers.start(n, { store: memoryStore(entries), network: listening })))
  return { peers, messages }
}

/** Hears no gossip before it is told to: gossip takes some time to learn what a new neighbour wants to hear. */
class LateListener {
  isHearing = false
  readonly listen = (network: Network): Network => ({
    ...network,
    subscribe: (topic, handle, isTrusted) => network.subscribe(topic, message => { if (this.isHearing) handle(message) }, isTrusted),
  })
}

test('24 peers that come at once and have the same set say so a few times, not 24 times each', async () => {
  const { peers, messages } = await equalPeers(24)
  await peers.clock.advance(30_000)
  assert.ok(messages.length >= 1 && messages.length <= 24, `${messages.length} messages`)
  for (const heads of messages) assert.equal(heads.length, 1)
  await peers.stop()
})

test('of peers with the same heads, one tells of them in each interval', async () => {
  const { peers, messages } = await equalPeers(10)
  await peers.clock.advance(intervalMs)
  messages.length = 0
  await peers.clock.advance(20 * intervalMs)
  // Each peer is silent in an interval in which it has heard somebody.
  assert.ok(messages.length >= 14 && messages.length <= 60, `${messages.length} messages`)
  await peers.stop()
})

test('who trusts one of two peers only hears of what the other one has changed too, though that one tells of it more often', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [trusted, writer] = [peerOf(0), peerOf(1)]
  await peers.start(0, { trustedPeers: [writer], exchange: { rebroadcastIntervalMs: 60_000 } })
  const b = await peers.start(1, { exchange: { rebroadcastIntervalMs: 10_000 } })
  const follower = await peers.start(2, { isFollower: true, trustedPeers: [trusted] })
  await peers.clock.advance(60_000)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await peers.clock.advance(15 * 60_000)
  assert.deepEqual(await namesOf(follower), ['pin 1'])
  await peers.stop()
})

test('a peer that comes back hears at once what it has missed', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0), await peers.start(1)]
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.done(b.stop())
  await peers.done(a.consensus.logPin(pinOf(2)))
  const again = await peers.start(1, { store: b.store })
  await peers.clock.advance(1_100)
  assert.deepEqual((await namesOf(again)).toSorted(), ['pin 1', 'pin 2'])
  await peers.stop()
})

test('a peer that has connected a moment ago is told of a head that reached all others, but not yet it', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0), await peers.start(1)]
  await peers.clock.advance(60_000)
  const listener = new LateListener()
  const late = await peers.start(2, { network: listener.listen })
  await peers.clock.advance(1_500)
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.advance(100)
  assert.deepEqual([await namesOf(b), await namesOf(late)], [['pin 1'], []])
  listener.isHearing = true
  await peers.clock.advance(3_000)
  assert.deepEqual(await namesOf(late), ['pin 1'])
  await peers.stop()
})

test('who connects when a greeting is due already gets one of its own', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.start(1)
  await peers.clock.advance(10_900)
  // The last greeting of the first is due before this one hears anything.
  const listener = new LateListener()
  const late = await peers.start(2, { network: listener.listen })
  await peers.clock.advance(10_900)
  listener.isHearing = true
  await peers.clock.advance(23_000)
  assert.deepEqual(await namesOf(late), ['pin 1'])
  await peers.stop()
})

test('what was pinned alone is told when somebody comes, and is on disk by then', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new CrashStore()
  const a = await peers.start(0, { store })
  let after: CrashStore | undefined
  for (const n of [1, 2]) {
    await peers.done(a.consensus.logPin(pinOf(n)))
    await peers.clock.advance(100)
    const bare = await BarePeer.start(peers, n)
    const told: string[] = []
    bare.network.subscribe(crdtTopic('test'), ({ data }) => { told.push(...decodeBroadcast(data).map(({ cid }) => cid.toString())) })
    await peers.clock.advance(1_100)
    assert.deepEqual(told, a.consensus.inspect().heads)
    await bare.network.stop()
    if (n === 2) after = await store.crash(0)
  }
  assert.deepEqual((await readReplicaState(after as CrashStore, '/c')).heads, a.consensus.inspect().heads, 'the head that was told has outlived the crash')
  await peers.stop()
})

test('a stop waits for what is being told, but not for long', async () => {
  for (const isSlow of [true, false]) {
    const peers = new CrdtPeers(virtualClock())
    const { promise: sent, resolve: send } = Promise.withResolvers<void>()
    await BarePeer.start(peers, 1)
    const a = await peers.start(0, { network: network => ({ ...network, publish: () => sent }) })
    await peers.done(a.consensus.logPin(pinOf(1)))
    await peers.done(a.consensus.settled())
    let isStopped = false
    const stopped = a.consensus.stop().then(() => { isStopped = true })
    await peers.clock.settle()
    assert.equal(isStopped, false)
    if (isSlow) await peers.clock.advance(2_000)
    else send()
    await peers.clock.settle()
    assert.equal(isStopped, true)
    await stopped
  }
})

test('what was pinned alone is told to nobody while the disk takes its time, however many come', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new CrashStore()
  const batch = store.batch.bind(store)
  const onDisk = Promise.withResolvers<void>()
  const a = await peers.start(0, { store })
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.advance(100)
  store.batch = async (operations, options) => {
    if (options.sync) await onDisk.promise
    await batch(operations, options)
  }
  const told: string[] = []
  for (const n of [1, 2, 3]) {
    const bare = await BarePeer.start(peers, n)
    bare.network.subscribe(crdtTopic('test'), ({ data }) => { told.push(...decodeBroadcast(data).map(({ cid }) => cid.toString())) })
    await peers.clock.advance(2_000)
  }
  assert.deepEqual(told, [])
  onDisk.resolve()
  await peers.clock.advance(2_000)
  assert.deepEqual([...new Set(told)], a.consensus.inspect().heads)
  await peers.stop()
})

test('a node of ours is on disk before others hear of it', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = new CrashStore()
  const a = await peers.start(0, { store, batching: { maxSize: 100, maxAgeMs: 1_000 } })
  const b = await peers.start(1)
  await peers.clock.advance(30_000)
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.advance(500)
  // Comes between the journal entry and its node, which without this one would be another.
  await peers.done(b.consensus.logPin(pinOf(2)))
  await peers.clock.advance(700)
  assert.deepEqual((await namesOf(b)).toSorted(), ['pin 1', 'pin 2'])
  const after = await store.crash(0)
  await a.network.stop()
  peers.running.delete(0)
  // Removed while the first peer is down: nothing of it may come again with that peer.
  await peers.done(b.consensus.logUnpin(pinOf(1)))
  const again = await peers.start(0, { store: after })
  await peers.clock.advance(5_000)
  assert.deepEqual(await namesOf(again), ['pin 2'])
  assert.deepEqual(await namesOf(b), ['pin 2'])
  await peers.stop()
})

test('a small node goes with its head, where the Go program does not look', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const bare = await BarePeer.start(peers, 1)
  const told: Uint8Array[] = []
  bare.network.subscribe(crdtTopic('test'), ({ data }) => { told.push(data) })
  await peers.clock.advance(30_000)
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.settle()
  await peers.done(a.consensus.logPin(pinOf(2, { metadata: { long: 'x'.repeat(300_000) } })))
  await peers.clock.settle()
  await peers.clock.advance(1_000)
  await peers.done(a.consensus.logPin(pinOf(3, { metadata: { long: 'x'.repeat(200_000) } })))
  await peers.clock.settle()
  const [small, large, ofBurst] = told.map(data => decodeBroadcast(data)[0])
  assert.equal(decodeDeltaNode(small?.block as Uint8Array).cid.toString(), small?.cid.toString())
  assert.equal(large?.block, undefined)
  assert.equal(decodeDeltaNode(ofBurst?.block as Uint8Array).cid.toString(), ofBurst?.cid.toString())
  // Within the message there is nothing but heads: field 1, length-delimited.
  assert.equal(told[0]?.[0], 0x0a)
  await peers.stop()
})

const golden = join(process.env['FLOTILLA_GOLDEN'] ?? '../shared/golden', 'wire', 'crdt-broadcast.json')

test('messages of the reference are read, and written to the same bytes under the same topic', { skip: existsSync(golden) ? false : 'no recordings' }, () => {
  const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: Array<{ topic: string, hex: string, heads: string[] }> }
  assert.ok(cases.length > 0)
  for (const { topic, hex, heads } of cases) {
    const read = decodeBroadcast(Buffer.from(hex, 'hex'))
    assert.deepEqual(read.map(({ cid }) => cid.toString()), heads)
    assert.equal(Buffer.from(encodeBroadcast(read)).toString('hex'), hex)
    assert.equal(crdtTopic('h3-cluster'), topic)
  }
})
