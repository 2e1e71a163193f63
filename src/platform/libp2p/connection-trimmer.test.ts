import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, PeerId } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { PeerId as ClusterPeer } from '../../domain/peer.ts'
import { systemRandom } from '../random.ts'
import { virtualClock } from '../virtual-clock.ts'
import { ConnectionTrimmer } from './connection-trimmer.ts'
import { testIdentity, testPlatform, testSecret, testSettings, until } from './network.fixture.ts'
import { libp2pNetwork } from './libp2p-network.ts'
import { privateNetwork } from './private-network.ts'

const minuteMs = 60_000

/** A host of which only the connections are there. */
class Connections extends EventTarget {
  readonly all = new Map<string, Connection>()
  readonly peerStore = { merge: async () => {} }

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
  const trimmer = new ConnectionTrimmer({ host: host as never, limits: { highWater: 20, lowWater: 10, gracePeriodMs: 2 * minuteMs }, clock, isKept: (peer: PeerId) => peer.toString().startsWith('kept') })
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

test('a peer with 60 real connections closes all but ten, never those of peers that it trusts by name', { timeout: 120_000 }, async t => {
  const make = () => createLibp2p({
    transports: [tcp()], streamMuxers: [yamux()], connectionEncrypters: [noise()],
    connectionProtector: privateNetwork({ secret: testSecret, random: systemRandom, onStranger: host => { assert.fail(`${host} has the secret`) } }),
  })
  const others = await Promise.all(Array.from({ length: 60 }, make))
  t.after(() => Promise.all(others.map(other => other.stop())))
  const trusted = others.slice(-5)
  const hub = libp2pNetwork({
    identity: await testIdentity(), platform: testPlatform([]), keptPeers: trusted.map(({ peerId }) => peerId.toString() as ClusterPeer),
    settings: { ...testSettings, connectionManager: { highWater: 20, lowWater: 10, gracePeriodMs: 1_000 } },
  })
  t.after(() => hub.stop())
  await hub.start(new AbortController().signal)
  const address = multiaddr(hub.addresses()[0] as string)
  for (const other of others) await other.dial(address)
  await until(() => hub.peers().length === 10)
  assert.deepEqual(trusted.filter(({ peerId }) => !hub.peers().includes(peerId.toString() as ClusterPeer)), [])
})
