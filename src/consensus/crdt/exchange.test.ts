import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../domain/peer.ts'
import type { Network } from '../../platform/network.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, namesOf, pinOf, setOf, peerOf, type CrdtPeer } from './crdt-peers.fixture.ts'
import { crdtTopic } from './head-broadcast.ts'

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

test('a burst costs the others ten messages a second, and its end reaches them at once', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0), await peers.start(1)]
  await peers.clock.advance(30_000)
  let messages = 0
  b.network.subscribe(crdtTopic('test'), () => { messages++ })
  const acknowledged: Array<Promise<void>> = []
  for (let n = 0; n < 400; n++) {
    acknowledged.push(a.consensus.logPin(pinOf(n)))
    await peers.clock.advance(5)
  }
  await peers.clock.advance(60)
  assert.equal((await namesOf(b)).length, 400)
  assert.ok(messages <= 22, `${messages} messages`)
  await Promise.all(acknowledged)
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

test('who is trusted may change while the peer runs', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0, { trustedPeers: [] })
  const b = await peers.start(1)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await peers.clock.advance(30_000)
  assert.deepEqual(await namesOf(a), [])
  a.consensus.trust(peerOf(1))
  // Told of again in every second interval: the peer's own messages count as seen, too.
  await peers.clock.advance(200_000)
  assert.deepEqual(await namesOf(a), ['pin 1'])
  a.consensus.distrust(peerOf(1))
  await peers.done(b.consensus.logPin(pinOf(2)))
  await peers.clock.advance(100_000)
  assert.deepEqual(await namesOf(a), ['pin 1'])
  await peers.stop()
})

test('a batch goes when it is full or old, and more than its queue takes is refused', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0, { batching: { maxSize: 4, maxAgeMs: 10_000 } })
  const b = await peers.start(1)
  await peers.clock.advance(30_000)
  for (let n = 0; n < 3; n++) await peers.done(a.consensus.logPin(pinOf(n)))
  await peers.clock.advance(5_000)
  assert.equal(b.consensus.pinset().count(), 0)
  await peers.done(a.consensus.logPin(pinOf(3)))
  await peers.clock.settle()
  assert.equal(b.consensus.pinset().count(), 4, 'full')
  await peers.done(a.consensus.logPin(pinOf(4)))
  await peers.clock.advance(11_000)
  assert.equal(b.consensus.pinset().count(), 5, 'old')
  assert.equal((await setOf(b)).filter(key => key.startsWith('/c/b/')).length, 2, 'two nodes')

  const c = await peers.start(2, { batching: { maxSize: 100, maxAgeMs: 10_000, maxQueueSize: 6 } })
  for (let n = 10; n < 16; n++) await peers.done(c.consensus.logPin(pinOf(n)))
  await assert.rejects(peers.done(c.consensus.logPin(pinOf(16))), /^ClusterError: error batching item: batching max_queue_size reached/)
  await peers.clock.advance(11_000)
  await peers.done(c.consensus.logPin(pinOf(17)))
  await peers.clock.advance(11_000)
  assert.equal(b.consensus.pinset().count(), 12)
  await peers.stop()
})

test('what has waited long enough goes at once, also when it is too much for one delta', async () => {
  const peers = new CrdtPeers(virtualClock())
  const { consensus } = await peers.start(0, { batching: { maxSize: 10_000, maxAgeMs: 10_000 } })
  await peers.done(Promise.all(Array.from({ length: 4_500 }, (_, n) => consensus.logPin(pinOf(n)))))
  await peers.clock.advance(9_000)
  assert.equal(consensus.pinset().count(), 0)
  await peers.clock.advance(2_000)
  assert.equal(consensus.pinset().count(), 4_500)
  await peers.done(consensus.logPin(pinOf(4_500)))
  await peers.clock.advance(9_000)
  assert.equal(consensus.pinset().count(), 4_500, 'the next one waits for its own time')
  await peers.stop()
})

test('a change made while older ones are still on their way wins over them', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  for (let n = 0; n < 20; n++) {
    await peers.done(a.consensus.logPin(pinOf(1, { name: `old ${n}` })))
    await peers.clock.advance(60)
  }
  // This one hears of the newest change, but the one below it does not come.
  let isHeld = true
  const b = await peers.start(1, {
    network: network => ({
      ...network,
      open: () => Promise.reject(new Error('not now')),
      fetchBlock: async (cid, options) => {
        const block = await network.fetchBlock(cid, options)
        while (isHeld && !a.consensus.inspect().heads.includes(cid.toString())) await new Promise<void>(resolve => { peers.clock.after(100, resolve) })
        return block
      },
    }),
  })
  await peers.clock.advance(3_000)
  assert.equal(b.consensus.inspect().unmerged.stored, 1)
  await peers.done(b.consensus.logPin(pinOf(1, { name: 'new' })))
  isHeld = false
  await peers.clock.advance(10_000)
  assert.deepEqual(await namesOf(a), ['new'])
  assert.deepEqual(await setOf(a), await setOf(b))
  await peers.stop()
})

/** Counts what a peer asks others for by the protocol of history, and lets it hear nothing for a while. */
class WatchedNetwork {
  isDeaf = false
  bytes = 0
  requests = 0

  wrap (joined: Network): Network {
    return {
      ...joined,
      subscribe: (topic, handler, accept) => joined.subscribe(topic, message => { if (!this.isDeaf) handler(message) }, accept),
      open: async (peer, protocol, options) => {
        const stream = await joined.open(peer, protocol, options)
        this.requests++
        const { signal } = stream
        return { peer, signal, incoming: this.#counted(stream.incoming), write: part => stream.write(part), closeWrite: () => stream.closeWrite(), reset: () => { stream.reset() } }
      },
    }
  }

  async * #counted (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length
      yield chunk
    }
  }
}

test('a node that is missing is fetched without the history that is here already', async () => {
  const peers = new CrdtPeers(virtualClock())
  const watched = new WatchedNetwork()
  const [a, b] = [await peers.start(0), await peers.start(1, { network: network => watched.wrap(network) })]
  await peers.clock.advance(15_000)
  const pinned = async (peer: CrdtPeer, n: number): Promise<void> => {
    await peers.done(peer.consensus.logPin(pinOf(n, { name: `${n}`.padEnd(20_000) })))
    await peers.clock.advance(500)
  }
  for (let n = 0; n < 50; n++) await pinned(a, n)
  watched.isDeaf = true
  for (let n = 50; n < 52; n++) await pinned(a, n)
  await pinned(b, 52)
  watched.isDeaf = false
  assert.deepEqual([watched.requests, b.consensus.pinset().count()], [0, 51])
  await pinned(a, 53)
  await peers.clock.advance(5_000)
  assert.deepEqual(await setOf(b), await setOf(a))
  assert.equal(watched.requests, 1)
  assert.ok(watched.bytes < 300_000, `${watched.bytes} bytes of some million`)
  await peers.stop()
})

test('a node that nobody has keeps no peer from being asked for history', async () => {
  const peers = new CrdtPeers(virtualClock())
  const watched = new WatchedNetwork()
  const b = await peers.start(1, { network: network => watched.wrap(network) })
  const other = await BarePeer.start(peers, 2)
  const lost = other.node(1, [], [pinOf(100)])
  other.blocks.delete(lost.cid.toString())
  await other.tell([other.node(2, [lost], [pinOf(101)]).cid])
  await peers.clock.advance(20 * 60_000)
  assert.equal(b.consensus.inspect().holes, 1)
  await other.network.stop()
  const a = await peers.start(0)
  await peers.clock.advance(20_000)
  watched.isDeaf = true
  for (let n = 0; n < 3; n++) {
    await peers.done(a.consensus.logPin(pinOf(n)))
    await peers.clock.advance(500)
  }
  watched.isDeaf = false
  watched.requests = 0
  await peers.done(a.consensus.logPin(pinOf(3)))
  await peers.clock.advance(1_000)
  assert.equal(b.consensus.pinset().count(), 5)
  assert.equal(watched.requests, 1)
  await peers.stop()
})

test('the network is told to drop what untrusted peers sign, so that it is not forwarded either', async () => {
  const peers = new CrdtPeers(virtualClock())
  let accept: ((from: PeerId) => boolean) | undefined
  const a = await peers.start(0, {
    trustedPeers: [peerOf(1)],
    network: network => ({
      ...network,
      subscribe: (topic, handler, accepts) => {
        accept = accepts
        return network.subscribe(topic, handler, accepts)
      },
    }),
  })
  assert.deepEqual([0, 1, 2].map(n => accept?.(peerOf(n))), [true, true, false])
  a.consensus.distrust(peerOf(1))
  a.consensus.trust(peerOf(2))
  assert.deepEqual([0, 1, 2].map(n => accept?.(peerOf(n))), [true, false, true])
  await peers.stop()
})

test('the same change on the same heads is the same node, also when both were made apart', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0), await peers.start(1)]
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.advance(1_000)
  await b.network.stop()
  for (const { consensus } of [a, b]) {
    await peers.done(consensus.logPin(pinOf(2)))
    await peers.clock.advance(100)
  }
  await peers.done(a.consensus.logPin(pinOf(3)))
  await b.network.start(new AbortController().signal)
  await peers.clock.advance(5_000)
  assert.deepEqual(await setOf(a), await setOf(b))
  assert.equal(a.consensus.inspect().headCount, 1)
  assert.equal((await setOf(a)).filter(key => key.startsWith('/c/b/')).length, 3)
  await peers.stop()
})

test('imported pins come in nodes that others take, however much each has to say', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const pins = Array.from({ length: 600 }, (_, n) => pinOf(n, { metadata: { text: 'x'.repeat(10_000) } }))
  assert.equal(await a.consensus.importPins((async function * () { yield pins })()), 600)
  const b = await peers.start(1)
  await peers.clock.advance(60_000)
  assert.equal(b.consensus.pinset().count(), 600)
  await peers.stop()
})
