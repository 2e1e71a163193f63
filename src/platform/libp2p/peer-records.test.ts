import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { PeerDiscovery, PeerInfo } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Key } from 'interface-datastore/key'
import type { Multiaddress } from '../../domain/peer.ts'
import { systemClock } from '../clock.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { Dht } from './dht.ts'
import { makeHost, type Host } from './host.ts'
import { testIdentity, testPlatform, testSettings } from './network.fixture.ts'
import type { NetworkSettings } from './network-settings.ts'
import type { PeerRecords } from './peer-records.ts'

async function hostOf (settings: Partial<NetworkSettings> = {}, onLocalPeer: (peer: PeerInfo) => Promise<void> | void = () => {}): Promise<Host> {
  const { privateKey } = await testIdentity()
  return makeHost({ privateKey, settings: { ...testSettings, ...settings }, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer })
}

async function started (t: TestContext): Promise<Host> {
  const host = await hostOf()
  t.after(() => host.stop())
  await host.start()
  return host
}

test('of peers without end those are remembered that are connected, and the latest', async t => {
  const [host, other] = [await started(t), await started(t)]
  const { components: { datastore } } = host as unknown as { readonly components: { readonly datastore: PeerRecords } }
  const identified = new Promise(resolve => { host.addEventListener('peer:identify', resolve) })
  await host.dial(other.getMultiaddrs())
  await identified
  for (let i = 0; i < 20_000; i++) datastore.put(new Key(`/peers/${i}`), new Uint8Array(10))
  assert.equal(datastore.size, 16_384)
  assert.deepEqual([datastore.has(new Key('/peers/100')), datastore.has(new Key('/peers/19999'))], [false, true])
  assert.ok((await host.peerStore.get(other.peerId)).protocols.length > 5)
  assert.ok((await host.peerStore.get(host.peerId)).protocols.length > 5)
  for (let i = 0; i < 100; i++) datastore.put(new Key(`/peers/${i}`), new Uint8Array(1024 * 1024))
  assert.ok(datastore.bytes < 34 * 1024 * 1024, `${datastore.bytes} bytes`)
  assert.ok((await host.peerStore.get(other.peerId)).protocols.length > 5)
  const gone = new Promise(resolve => { host.addEventListener('peer:disconnect', resolve) })
  await other.stop()
  await gone
  for (let i = 0; i < 40; i++) datastore.put(new Key(`/peers/${i}`), new Uint8Array(1024 * 1024))
  assert.equal(await host.peerStore.has(other.peerId), false)
})

test('peers are found by what libp2p asks for', async () => {
  const { peerStore } = await hostOf()
  const ids = await Promise.all([1, 2, 3].map(async () => peerIdFromString((await testIdentity()).id)))
  for (const [i, id] of ids.entries()) await peerStore.merge(id, { multiaddrs: [multiaddr(`/ip4/10.0.0.1/tcp/${3 - i}`)] })
  const port = (peer: { readonly addresses: ReadonlyArray<{ readonly multiaddr: unknown }> }): string => String(peer.addresses[0]?.multiaddr).slice(-1)
  const found = await peerStore.all({ filters: [peer => port(peer) !== '2'], orders: [(a, b) => port(a) < port(b) ? -1 : 1] })
  assert.deepEqual(found.map(port), ['1', '3'])
})

test('who announces itself on the local network is told of, few at a time, and not noted', async () => {
  const told: PeerInfo[] = []
  const reached = Promise.withResolvers<void>()
  const host = await hostOf({ listenMultiaddress: ['/ip4/0.0.0.0/tcp/0' as Multiaddress], mdnsIntervalMs: 10_000 }, async peer => { told.push(peer); await reached.promise })
  const { components } = host as unknown as { readonly components: Readonly<Record<string, PeerDiscovery>> }
  const announce = async (): Promise<void> => {
    const detail = { id: peerIdFromString((await testIdentity()).id), multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/1')] }
    components['peer-discovery-0']?.dispatchEvent(new CustomEvent('peer', { detail }))
  }
  for (let i = 0; i < 40; i++) await announce()
  assert.equal(told.length, 16)
  reached.resolve()
  await new Promise(resolve => { setImmediate(resolve) })
  await announce()
  assert.equal(told.length, 17)
  await new Promise(resolve => { setImmediate(resolve) })
  assert.deepEqual(await host.peerStore.all(), [])
})
