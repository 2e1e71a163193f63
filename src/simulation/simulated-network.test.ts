import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { PeerId } from '../domain/peer.ts'
import type { Network, PeerStream } from '../platform/network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { PeerClock } from './peer-clock.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedNetworks } from './simulated-network.ts'
import { Trace } from './trace.ts'

const peers = ['12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp', '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn', '12D3KooWBhCZdWhwf4KnsvrjPFyjdkNbCcQD1rAkNcUpZuQdVnj9'] as PeerId[]
const signal = new AbortController().signal

async function world () {
  const clock = virtualClock()
  const networks = new SimulatedNetworks({ clock, random: seededRandom(7), trace: new Trace(clock), nameOf: peer => peer.slice(-3) })
  const clocks = peers.map(() => new PeerClock(clock))
  const [a, b, c] = peers.map((peer, i) => networks.join(peer, i, clocks[i] as PeerClock)) as [Network, Network, Network]
  for (const member of [a, b, c]) await member.start(signal)
  await clock.advance(10_000)
  return { clock, networks, a, b, c, clocks }
}

async function read (stream: PeerStream): Promise<string> {
  return Buffer.concat(await Array.fromAsync(stream.incoming)).toString()
}

test('what is written arrives in order, also what was held up by a partition that heals soon', async () => {
  const { clock, networks, a, b, clocks } = await world()
  let heard: Promise<string> | undefined
  b.handle('/test', stream => { heard = read(stream) })
  const opening = a.open(b.self, '/test', {})
  await clock.advance(1_000)
  const stream = await opening
  networks.cut(a.self, b.self)
  for (let n = 0; n < 50; n++) await stream.write(Buffer.from(`${n} `))
  await clock.advance(5_000)
  Object.assign(networks.conditions, { leastDelayMs: 2_000, mostDelayMs: 2_000 })
  await stream.write(Buffer.from('on the way while it heals'))
  await clock.advance(1_000)
  networks.healAll()
  clocks[1]?.pause()
  await stream.closeWrite()
  await clock.advance(10_000)
  clocks[1]?.resume()
  await clock.advance(5_000)
  assert.equal(await heard, `${Array.from({ length: 50 }, (_, n) => `${n} `).join('')}on the way while it heals`)
})

test('a partition that lasts breaks the connection on both sides, and it comes back with the way', async () => {
  const { clock, networks, a, b } = await world()
  const told: boolean[] = []
  a.onPeer((peer, isConnected) => { if (peer === b.self) told.push(isConnected) })
  b.handle('/test', () => {})
  const opening = a.open(b.self, '/test', {})
  await clock.advance(1_000)
  const stream = await opening
  networks.cut(b.self, a.self)
  const reading = assert.rejects(read(stream), { code: 'PEER_UNREACHABLE' })
  await clock.advance(60_000)
  await reading
  const refused = assert.rejects(a.open(b.self, '/test', {}), { code: 'PEER_UNREACHABLE' })
  await clock.advance(60_000)
  await refused
  assert.equal(a.peers().includes(b.self), false)
  networks.healAll()
  await clock.advance(10_000)
  assert.equal(a.peers().includes(b.self), true)
  assert.deepEqual(told, [false, true])
  let heard: Promise<string> | undefined
  b.handle('/test', again => { heard = read(again) })
  const openingAgain = a.open(b.self, '/test', {})
  await clock.advance(1_000)
  const again = await openingAgain
  await again.write(Buffer.from('all'))
  await again.closeWrite()
  await clock.advance(1_000)
  assert.equal(await heard, 'all')
})

test('gossip reaches who is not connected to the sender by way of others, unless they refuse it', async () => {
  for (const isRefused of [false, true]) {
    const { clock, networks, a, b, c } = await world()
    const heard: string[] = []
    b.subscribe('news', () => {}, () => !isRefused)
    c.subscribe('news', message => { heard.push(Buffer.from(message.data).toString()) })
    networks.cut(a.self, c.self)
    await clock.advance(60_000)
    await a.publish('news', Buffer.from('hello'))
    await clock.advance(1_000)
    assert.equal(heard.length, isRefused ? 0 : 1)
  }
})

test('a block comes from whoever has it and sends the right bytes, at once when he says that he has it now', async () => {
  const { clock, a, b, c } = await world()
  const bytes = Buffer.from('block')
  const cid = CID.createV1(0x55, createDigest(0x12, createHash('sha256').update(bytes).digest()))
  let isThere = false
  b.serveBlocks(async () => Buffer.from('something else'))
  c.serveBlocks(async () => isThere ? bytes : undefined)
  let fetched: Uint8Array | undefined
  a.fetchBlock(cid, { from: b.self }).then(found => { fetched = found }, () => {})
  await clock.advance(1_000)
  assert.equal(fetched, undefined)
  isThere = true
  c.announceBlock(cid)
  await clock.advance(1_000)
  assert.deepEqual(fetched, bytes)
})
