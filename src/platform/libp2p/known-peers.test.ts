import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { ProtobufWriter } from '../../codec/protobuf.ts'
import { multiaddressToBytes } from '../../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { frame } from '../bitswap/frames.ts'
import { systemClock } from '../clock.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { Dht } from './dht.ts'
import { makeHost } from './host.ts'
import { KnownPeers } from './known-peers.ts'
import { testIdentity, testNetwork, testPlatform, testSettings, until } from './network.fixture.ts'

const address = (port: number, peer: PeerId): Multiaddress => `/ip4/10.0.0.1/tcp/${port}/p2p/${peer}` as Multiaddress

test('addresses that were only heard of give way to lasting ones, and never take their place', async () => {
  const [self, other] = [(await testIdentity()).id, (await testIdentity()).id]
  const known = new KnownPeers(self)
  known.add(address(1, other), true)
  for (let port = 100; port < 200; port++) assert.equal(known.add(address(port, other), false), other)
  assert.deepEqual([known.addresses(other).length, known.addresses(other).includes(address(1, other)), known.addresses(other).includes(address(199, other))], [32, true, true])
  // It stays what it is when somebody else says it too.
  known.add(address(1, other), false)
  for (let port = 200; port < 231; port++) known.add(address(port, other), true)
  assert.deepEqual([known.addresses(other).length, known.addresses(other).includes(address(1, other)), known.addresses(other).includes(address(199, other))], [32, true, false])
  assert.equal(known.add(address(300, other), false), undefined)
  assert.equal(known.add(address(301, other), true), other)
  assert.deepEqual([known.addresses(other).length, known.addresses(other).includes(address(1, other))], [32, false])
})

test('what was told last is last, and stays longest; to dial an address does not count', async t => {
  const { network } = await testNetwork(t)
  await network.start(new AbortController().signal)
  const { id } = await testIdentity()
  const told = (ports: readonly number[]): Promise<void> => network.remember(ports.map(port => address(port, id)))
  await told([1, 2, 3])
  await told([1])
  assert.deepEqual(network.knownAddresses(id), [2, 3, 1].map(port => address(port, id)))
  await Promise.all([1, 3, 2].map(port => network.connect(address(port, id), { signal: AbortSignal.abort() }).catch(() => {})))
  assert.deepEqual(network.knownAddresses(id), [2, 3, 1].map(port => address(port, id)))
  await told(Array.from({ length: 31 }, (_, i) => 100 + i))
  assert.ok(network.knownAddresses(id).includes(address(1, id)))
})

test('a peer says where it is itself, not where others are', async t => {
  const { network } = await testNetwork(t)
  await network.start(new AbortController().signal)
  const { id: friend } = await testIdentity()
  const { privateKey, id } = await testIdentity()
  const host = await makeHost({ privateKey, settings: testSettings, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer: () => {} })
  t.after(() => host.stop())
  await host.start()
  const identified = new Promise<void>(resolve => { host.addEventListener('peer:identify', () => { resolve() }) })
  const connection = await host.dial(multiaddr(network.addresses()[0] as string))
  await identified
  await until(() => network.knownAddresses(id).length > 0)

  const message = new ProtobufWriter()
  for (const listened of [address(1, friend), address(2, id)]) {
    message.varint(2 << 3 | 2)
    message.raw(multiaddressToBytes(listened))
  }
  const stream = await connection.newStream('/ipfs/id/push/1.0.0')
  stream.send(frame(message.finish()))
  await stream.close()
  await until(() => network.knownAddresses(id).includes(address(2, id)))
  assert.deepEqual(network.knownAddresses(friend), [])
  assert.deepEqual(network.knownPeers(), [id])
})
