import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, PeerId } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Multiaddress, PeerId as ClusterPeer } from '../../domain/peer.ts'
import { systemClock, type Clock } from '../clock.ts'
import { systemRandom } from '../random.ts'
import { virtualClock } from '../virtual-clock.ts'
import { ConnectionTrimmer } from './connection-trimmer.ts'
import { testIdentity, testPlatform, testSecret, testSettings, until } from './network.fixture.ts'
import { libp2pNetwork } from './libp2p-network.ts'
import { privateNetwork } from './private-network.ts'
import { RedialledPeers } from './redialled-peers.ts'

const minuteMs = 60_000

/** A host of which only the connections are there. */
class Connections extends EventTarget {
  readonly all = new Map<string, Connection>()

  open (name: string, at: number, streams: number): void {
    const close = async (): Promise<void> => { this.all.delete(name) }
    this.all.set(name, { remotePeer: { toString: () => name }, timeline: { open: at }, streams: new Array<null>(streams).fill(null), close, abort: close } as unknown as Connection)
    this.dispatchEvent(new Event('connection:open'))
  }

  getConnections (): Connection[] { return [...this.all.values()] }
}

test('of 60 connections with a high mark of 20 the oldest and busiest stay, and those of peers that are kept; none is closed in its grace period', async () => {
  const clock = virtualClock()
  const host = new Connections()
  const trimmer = new ConnectionTrimmer({ host: host as never, limits: { highWater: 20, lowWater: 10, gracePeriodMs: 2 * minuteMs }, clock, isKept: (peer: PeerId) => peer.toString().startsWith('kept'), release: async () => {} })
  for (let i = 0; i < 52; i++) host.open(`other${i}`, clock.now() - 100 + i, i === 51 ? 5 : 0)
  for (let i = 0; i < 8; i++) host.open(`kept${i}`, clock.now() - i, 0)
  await clock.advance(minuteMs)
  assert.equal(host.all.size, 60)
  await clock.advance(2 * minuteMs)
  assert.deepEqual([...host.all.keys()].toSorted(), ['kept0', 'kept1', 'kept2', 'kept3', 'kept4', 'kept5', 'kept6', 'kept7', 'other0', 'other51'])
  // All of them may be kept: then there are more than the mark.
  for (let i = 8; i < 30; i++) host.open(`kept${i}`, clock.now(), 0)
  await clock.advance(10 * minuteMs)
  assert.deepEqual([...host.all.keys()].filter(name => !name.startsWith('kept')), [])
  assert.equal(host.all.size, 30)
  trimmer.stop()
})

test('connections from before the clock was set back are closed as others are', async () => {
  const clock = virtualClock()
  const host = new Connections()
  const trimmer = new ConnectionTrimmer({ host: host as never, limits: { highWater: 20, lowWater: 10, gracePeriodMs: 2 * minuteMs }, clock, isKept: () => false, release: async () => {} })
  for (let i = 0; i < 30; i++) host.open(`before${i}`, clock.now() + 24 * 60 * minuteMs, 0)
  await clock.advance(minuteMs)
  assert.equal(host.all.size, 10)
  trimmer.stop()
})

const plainHost = (listen: readonly string[]) => createLibp2p({
  addresses: { listen: [...listen] }, transports: [tcp()], streamMuxers: [yamux()], connectionEncrypters: [noise()],
  connectionProtector: privateNetwork({ secret: testSecret, clock: systemClock, random: systemRandom, onStranger: host => { assert.fail(`${host} has the secret`) } }),
})

test('a peer with 30 real connections closes all but ten, never those of peers that it trusts by name', { timeout: 120_000 }, async t => {
  const others = await Promise.all(Array.from({ length: 30 }, () => plainHost([])))
  t.after(() => Promise.all(others.map(other => other.stop())))
  const trusted = others.slice(-5)
  // The grace period ends for all at once when all are there, and nobody waits the ten seconds until they are counted again.
  let laterMs = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + laterMs, after: (delayMs, work) => systemClock.after(Math.min(delayMs, 500), work) }
  const hub = libp2pNetwork({
    identity: await testIdentity(), platform: { ...testPlatform([]), clock }, keptPeers: trusted.map(({ peerId }) => peerId.toString() as ClusterPeer),
    settings: { ...testSettings, connectionManager: { highWater: 20, lowWater: 10, gracePeriodMs: 10 * minuteMs } },
  })
  t.after(() => hub.stop())
  await hub.start(new AbortController().signal)
  const address = multiaddr(hub.addresses()[0] as string)
  for (const other of others) await other.dial(address)
  await until(() => hub.peers().length === others.length)
  laterMs = 11 * minuteMs
  await until(() => hub.peers().length === 10)
  assert.deepEqual(trusted.filter(({ peerId }) => !hub.peers().includes(peerId.toString() as ClusterPeer)), [])
})

test('peers that close the connection are dialled anew as long as there are few, not above the low mark', { timeout: 60_000 }, async t => {
  const hub = libp2pNetwork({ identity: await testIdentity(), platform: testPlatform([]), settings: { ...testSettings, connectionManager: { highWater: 8, lowWater: 2, gracePeriodMs: minuteMs } } })
  t.after(() => hub.stop())
  await hub.start(new AbortController().signal)
  const others = await Promise.all(Array.from({ length: 4 }, () => plainHost(['/ip4/127.0.0.1/tcp/0'])))
  t.after(() => Promise.all(others.map(other => other.stop())))
  for (const other of others) {
    await hub.connect(String(other.getMultiaddrs()[0]) as Multiaddress, {})
    await until(() => other.getConnections().length === 1)
  }
  const lost: ClusterPeer[] = []
  hub.onPeer((peer, isConnected) => { if (!isConnected) lost.push(peer) })
  // Those that are not dialled anew lose their connection first: they would be back first.
  for (const other of others.toReversed()) await other.getConnections()[0]?.close()
  const chosen = others.slice(0, 2).map(({ peerId }) => peerId.toString() as ClusterPeer)
  await until(() => lost.length === 4 && chosen.every(peer => hub.peers().includes(peer)))
  assert.deepEqual(hub.peers().toSorted(), chosen.toSorted())
})

test('a peer whose connection is closed because there are too many is not dialled anew, whoever asked for that; another takes its place', async () => {
  const clock = virtualClock()
  const tags = new Map<string, Map<string, object>>()
  const connected = new Set<string>()
  const host = Object.assign(new EventTarget(), {
    getConnections: (peer?: PeerId) => [...connected].filter(id => peer === undefined || id === peer.toString()),
    peerStore: {
      get: async (peer: PeerId) => ({ tags: tags.get(peer.toString()) ?? new Map() }),
      merge: async (peer: PeerId, data: { tags: Record<string, object | undefined> }) => {
        const own = tags.get(peer.toString()) ?? new Map<string, object>()
        tags.set(peer.toString(), own)
        for (const [name, tag] of Object.entries(data.tags)) if (tag === undefined) own.delete(name); else own.set(name, tag)
      },
    },
  })
  const peer = (id: string): PeerId => ({ toString: () => id }) as PeerId
  const connect = (id: string): void => {
    connected.add(id)
    host.dispatchEvent(new CustomEvent('peer:connect', { detail: peer(id) }))
  }
  const redialled = async (): Promise<string[]> => {
    await new Promise(resolve => { setImmediate(resolve) })
    return [...tags].flatMap(([id, { size }]) => size > 0 ? id : []).toSorted()
  }
  const peers = new RedialledPeers({ host: host as never, limits: { highWater: 5, lowWater: 4 }, isKept: id => id.toString() === 'kept', clock })
  // Others choose as many: together they stay below the high mark.
  for (const id of ['a', 'b', 'c']) connect(id)
  assert.deepEqual(await redialled(), ['a', 'b'])
  tags.get('a')?.set('keep-alive-kad-dht', {})
  await peers.release(peer('a'))
  assert.deepEqual(await redialled(), ['b'])
  connect('d')
  connected.delete('b')
  for (const id of ['e', 'f', 'kept']) connect(id)
  assert.deepEqual(await redialled(), ['d', 'e', 'kept'])
  // One that is lost again and again has too many connections itself. With few others, or now and then, it may come back.
  connect('e')
  await clock.advance(15 * minuteMs)
  for (let i = 0; i < 2; i++) for (const id of ['d', 'kept']) connect(id)
  assert.deepEqual(await redialled(), ['d', 'e', 'kept'])
  for (const id of ['a', 'c']) connected.delete(id)
  connect('d')
  assert.deepEqual(await redialled(), ['d', 'e', 'kept'])
  connected.add('a')
  for (const id of ['d', 'kept']) connect(id)
  assert.deepEqual(await redialled(), ['e', 'kept'])
})
