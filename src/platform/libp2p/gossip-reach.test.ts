import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { frame } from '../bitswap/frames.ts'
import { sleep, systemClock } from '../clock.ts'
import type { PeerStream } from '../network.ts'
import { gossipReachProtocol, sparedBy } from './gossip-reach.ts'
import { connectedNetworks, testNetwork, testSettings, until, type TestNetwork } from './network.fixture.ts'

const messageBytes = 10_000
/** From its author, and from two others. */
const mostCopies = 3

/** What each network has heard, by its number. */
function listening (networks: readonly TestNetwork[]): string[][] {
  return networks.map(({ network }) => {
    const heard: string[] = []
    network.subscribe('t', ({ data }) => { heard.push(Buffer.from(data.subarray(0, 10)).toString().trim()) })
    return heard
  })
}

const message = (name: string): Uint8Array => Buffer.from(name.padEnd(messageBytes))
const gossipIn = ({ network }: TestNetwork): number => Object.entries(network.bandwidth()).reduce((sum, [protocol, { totalIn }]) => protocol.includes('meshsub') ? sum + totalIn : sum, 0)

/** Publishes until a message has come but a few times to each of the others, which shows that they know of each other; answers how many it took. */
async function publishUntilFew (from: TestNetwork, others: readonly TestNetwork[], heard: readonly string[][]): Promise<number> {
  for (let n = 1; n <= 40; n++) {
    const before = others.map(gossipIn)
    await from.network.publish('t', message(`try ${n}`))
    await until(() => heard.every(messages => messages.includes(`try ${n}`)))
    // Copies that are on their way.
    await sleep(systemClock, 500)
    if (others.every((other, i) => gossipIn(other) - (before[i] as number) < (mostCopies + 1) * messageBytes)) return n
  }
  throw new Error('messages come from everybody')
}

/** Says it on a stream that takes the place of the one that `from` itself has open; that may take its place again before anything is said. */
async function say ({ network }: TestNetwork, to: PeerId, text: string): Promise<PeerStream> {
  for (let attempts = 1; ; attempts++) {
    try {
      const stream = await network.open(to, gossipReachProtocol, {})
      await stream.write(frame(Buffer.from(text)))
      return stream
    } catch (error) {
      if (attempts === 10) throw error
    }
  }
}

for (const floodPublish of [false, true]) test(`where all are connected a message comes a few times to each, and by way of others to who is not connected to its author${floodPublish ? ', also when it is flooded' : ''}`, async t => {
  const pubsub = { ...testSettings.pubsub, floodPublish }
  const networks = await connectedNetworks(t, 8, { pubsub })
  const [a, b, c, ...more] = networks as [TestNetwork, TestNetwork, TestNetwork, ...TestNetwork[]]
  const heard = listening(networks)
  await publishUntilFew(a, [b, c, ...more], heard)
  // Somebody comes who knows but one of them.
  const e = await testNetwork(t, { pubsub })
  const [late] = listening([e]) as [string[]]
  await e.network.start(new AbortController().signal)
  await e.network.connect(b.network.addresses()[0] as Multiaddress, {})
  await a.network.publish('t', message('to e'))
  await until(() => late.includes('to e'))
  // And one goes.
  await b.network.stop()
  await c.network.connect(e.network.addresses()[0] as Multiaddress, {})
  await a.network.publish('t', message('again'))
  await until(() => late.includes('again') && heard[3]?.includes('again') === true)
})

test('a peer that says what is no list, or too much, is not believed', async t => {
  const networks = await connectedNetworks(t, 8)
  const [a, b, ...more] = networks as [TestNetwork, TestNetwork, ...TestNetwork[]]
  const heard = listening(networks)
  await publishUntilFew(a, [b, ...more], heard)
  for (const said of ['{', '{"a":1}', '[1]', JSON.stringify(Array.from({ length: 129 }, (_, n) => `${n}`)), JSON.stringify(['x'.repeat(129)])]) {
    const stream = await say(a, b.self, said)
    await until(() => stream.signal.aborted)
  }
  await a.network.publish('t', message('still'))
  await until(() => heard.every(messages => messages.includes('still')))
})

test('each is sent a message by two others, with each message by other ones, and by all where there are few', () => {
  const peers = Array.from({ length: 23 }, (_, n) => `peer ${n}` as PeerId)
  const pairs = new Set<string>()
  for (let sequence = 1_700_000_000_000_000_000n; sequence < 1_700_000_000_000_000_023n; sequence++) {
    const senders = new Map(peers.map(peer => [peer, 0]))
    for (const from of peers) {
      const spared = sparedBy(from, new Set(peers), sequence)
      for (const to of peers) {
        if (from === to || spared.has(to)) continue
        senders.set(to, (senders.get(to) ?? 0) + 1)
        pairs.add(`${from} to ${to}`)
      }
    }
    assert.deepEqual([...new Set(senders.values())], [2])
  }
  assert.equal(pairs.size, 23 * 22)
  const [a, b, c, d] = peers as [PeerId, PeerId, PeerId, PeerId]
  assert.deepEqual([b, c, d].map(to => sparedBy(a, new Set([a, b, c]), 7n).has(to)), [false, false, false])
  // Who was not told by the author tells those that it knows nothing of, and leaves the others to each other.
  assert.deepEqual([a, d].map(to => sparedBy('somebody else' as PeerId, new Set(peers.slice(4).concat(a)), 7n).has(to)), [true, false])
})
