import assert from 'node:assert/strict'
import { test } from 'node:test'
import { privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { LengthPrefixedDecoder } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { peerIdFromBytes } from '../../domain/peer-id.ts'
import { systemClock } from '../clock.ts'
import { virtualClock } from '../virtual-clock.ts'
import { announceFilter, byDialOrder, dialledPeer, isLoopback, isOfInternet, servedAddresses } from './addresses.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { Dht } from './dht.ts'
import { messageLength } from './fast-noise.ts'
import { makeHost } from './host.ts'
import { KnownPeers } from './known-peers.ts'
import { announcement } from './local-peers.ts'
import { testIdentity, testPlatform, testSettings } from './network.fixture.ts'
import { signingKey } from './signing-key.ts'
import { Strangers } from './strangers.ts'

const peer = (number: number): PeerId => peerIdFromBytes(Uint8Array.of(0x12, 32, ...new Uint8Array(28), number >> 24, number >> 16, number >> 8, number))
const addresses = (...texts: string[]): Multiaddress[] => texts as Multiaddress[]

test('QUIC is not served; loopback is told from the rest', () => {
  assert.deepEqual(servedAddresses(addresses('/ip4/0.0.0.0/tcp/9096', '/ip4/0.0.0.0/udp/9096/quic', '/ip6/::/tcp/1/ws', '/ip4/1.2.3.4/udp/1/quic-v1')), ['/ip4/0.0.0.0/tcp/9096', '/ip6/::/tcp/1/ws'])
  assert.deepEqual(['/ip4/127.0.0.1/tcp/1', '/ip4/127.9.9.9/tcp/1', '/ip6/::1/tcp/1', '/dns4/localhost/tcp/1', '/ip4/0.0.0.0/tcp/1', '/ip6/::/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip6/fe80::1/tcp/1'].map(address => isLoopback(address as Multiaddress)), [true, true, true, true, false, false, false, false])
})

test('the dialled peer is the one behind the relay', () => {
  const [relay, target] = [peer(1), peer(2)]
  assert.equal(dialledPeer(`/ip4/1.2.3.4/tcp/1/p2p/${relay}/p2p-circuit/p2p/${target}` as Multiaddress), target)
  assert.equal(dialledPeer('/ip4/1.2.3.4/tcp/1' as Multiaddress), undefined)
  assert.equal(dialledPeer('/ip4/1.2.3.4/tcp/1/p2p/nonsense' as Multiaddress), undefined)
})

test('addresses of the Internet are told from the rest, and relays are dialled last', () => {
  const relay = `/ip4/1.2.3.4/tcp/1/p2p/${peer(1)}/p2p-circuit`
  const all = ['/ip4/127.0.0.1/tcp/1', relay, '/ip4/192.168.1.1/tcp/1', '/ip4/1.2.3.4/tcp/1', '/ip6/fd00::1/tcp/1', '/ip6/2a00::1/tcp/1', '/ip6/2001:db8::1/tcp/1', '/ip4/169.254.1.1/tcp/1', '/ip4/100.100.0.1/tcp/1', '/ip4/224.0.0.251/tcp/1', '/dns4/a.example/tcp/1']
  assert.deepEqual(all.filter(isOfInternet), [relay, '/ip4/1.2.3.4/tcp/1', '/ip6/2a00::1/tcp/1'])
  assert.deepEqual(all.slice(0, 4).toSorted(byDialOrder), ['/ip4/1.2.3.4/tcp/1', '/ip4/192.168.1.1/tcp/1', '/ip4/127.0.0.1/tcp/1', relay])
})

test('addresses and networks are hidden', () => {
  const isAnnounced = announceFilter(addresses('/ip4/10.0.0.0/ipcidr/9', '/ip6/fc00::/ipcidr/7', '/ip4/1.2.3.4/tcp/9096'))
  const seen = (address: string): boolean => isAnnounced(address)
  assert.deepEqual(['/ip4/10.127.1.1/tcp/1', '/ip4/10.128.1.1/tcp/1', '/ip6/fdff::1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip4/1.2.3.4/tcp/9096', `/ip4/1.2.3.4/tcp/9096/p2p/${peer(1)}`, '/ip4/1.2.3.4/tcp/9097', '/dns4/a.example/tcp/1'].map(seen), [false, true, false, true, false, false, true, true])
})

test('lasting peers find room among those that were only heard of', () => {
  const known = new KnownPeers(peer(0))
  const address = (number: number): Multiaddress => `/ip4/10.0.0.1/tcp/1/p2p/${peer(number)}` as Multiaddress
  assert.equal(known.add(address(0), true), undefined)
  for (let i = 1; i <= 20_000; i++) known.add(address(i), i <= 2)
  assert.equal(known.peers().length, 16_384)
  assert.equal(known.add(address(30_000), true), peer(30_000))
  assert.deepEqual([1, 2, 3, 30_000].map(number => known.addresses(peer(number)).length), [1, 1, 0, 1])
  for (let i = 0; i < 100; i++) known.add(`/ip4/10.0.0.1/tcp/${i}/p2p/${peer(1)}` as Multiaddress, true)
  assert.equal(known.addresses(peer(1)).length, 32)
})

test('a stranger who knocks on and on is named once in a while, and not under any number of addresses', async () => {
  const clock = virtualClock()
  const log: string[] = []
  const strangers = new Strangers(testPlatform(log).loggers.component(''), clock)
  for (let i = 0; i < 1_000; i++) strangers.log(`/ip4/10.0.0.1/tcp/${i}`, 'knocks')
  assert.equal(log.length, 1)
  for (let i = 0; i < 3_000; i++) strangers.log(`/ip4/10.0.${i >> 8}.${i & 255}/tcp/1`, 'knocks')
  // A hundred, and a line that says so.
  assert.equal(log.length, 101)
  await clock.advance(10 * 60_000)
  for (let i = 0; i < 2; i++) strangers.log('/ip4/10.0.0.1/tcp/5', 'knocks')
  assert.equal(log.length, 102)
})

test('announces itself on the local network in a form that both kinds of peers read', () => {
  const id = peer(1)
  const found = announcement('abc', [`/ip4/192.168.1.5/tcp/9096/p2p/${id}`, `/ip4/192.168.1.5/tcp/9097/ws/p2p/${id}`, `/ip6/fe80::1/tcp/9096/p2p/${id}`, `/dns4/peer.example/tcp/1/p2p/${id}`])
  assert.deepEqual(found?.answers.map(({ name, data }) => [name, data]), [['_ipfs-cluster-discovery._udp.local', 'abc._ipfs-cluster-discovery._udp.local']])
  assert.deepEqual(found?.additionals.map(({ type, data }) => [type, data]), [
    ['TXT', [`dnsaddr=/ip4/192.168.1.5/tcp/9096/p2p/${id}`, `dnsaddr=/ip6/fe80::1/tcp/9096/p2p/${id}`]],
    ['SRV', { port: 4001, target: 'abc.local' }],
    ['A', '192.168.1.5'],
  ])
  assert.equal(announcement('abc', []), undefined)
})

test('signatures of the prepared key are those of the key', async () => {
  const plain = privateKeyFromProtobuf((await testIdentity()).privateKey)
  const prepared = signingKey(privateKeyFromProtobuf(privateKeyToProtobuf(plain)))
  const data = Buffer.from('what is signed')
  assert.deepEqual(Buffer.from(await prepared.sign(data)), Buffer.from(await plain.sign(data)))
  assert.equal(await plain.publicKey.verify(data, await prepared.sign(data)), true)
})

test('messages of Noise are cut apart however they arrive', () => {
  const lengths = [1, 255, 256, 257, 65_535, 3]
  const messages = lengths.map(length => Buffer.alloc(length, length))
  const all = Buffer.concat(messages.flatMap(message => [Uint8Array.of(message.length >> 8, message.length), message]))
  for (const cut of [1, 2, 3, 258, 65_536]) {
    const decoder = new LengthPrefixedDecoder({ lengthDecoder: messageLength, encodingLength: () => 2 })
    const found: Uint8Array[] = []
    for (let at = 0; at < all.length; at += cut) for (const message of decoder.decode(all.subarray(at, at + cut))) found.push(message.subarray())
    assert.deepEqual(found.map(({ length }) => length), lengths)
    assert.equal(Buffer.compare(Buffer.concat(found), Buffer.concat(messages)), 0)
  }
})

test('a host for the outside has relays, hole punching and port mapping; its parts fit together', async () => {
  const { privateKey } = await testIdentity()
  const settings = { ...testSettings, listenMultiaddress: addresses('/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws', '/ip4/0.0.0.0/udp/9096/quic'), mdnsIntervalMs: 10_000 }
  const make = (enableRelayHop: boolean) => makeHost({
    privateKey, settings: { ...settings, enableRelayHop }, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer: () => {},
  })
  const services = Object.keys((await make(true)).services)
  for (const name of ['autoRelay', 'dcutr', 'dialBack', 'identify', 'identifyPush', 'ping', 'portMap', 'pubsub', 'reachability', 'relay']) assert.ok(services.includes(name), name)
  assert.equal(Object.keys((await make(false)).services).includes('relay'), false)
})

test('a public address on which it listens is announced before anybody has reached it', async () => {
  const { privateKey } = await testIdentity()
  const host = await makeHost({ privateKey, settings: testSettings, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer: () => {} })
  const { components } = host as unknown as { readonly components: { readonly transportManager: { getAddrs: () => unknown[] } } }
  components.transportManager.getAddrs = () => [multiaddr('/ip4/1.2.3.4/tcp/9096')]
  assert.deepEqual(host.getMultiaddrs().map(String), [`/ip4/1.2.3.4/tcp/9096/p2p/${host.peerId.toString()}`])
})
