import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { isPublic, pingMetric, readPing, readRepinDelay, recordAnswer, recordPresence } from './ping.ts'

const [known, unknown] = ['12D3KooWKnown', '12D3KooWUnknown'] as const as readonly [PeerId, PeerId]
const node = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
const address = (n: number): Multiaddress => `/ip4/192.0.2.${n}/tcp/4001` as Multiaddress
/** A ping as another peer may have made it. */
const said = (value: unknown): Metric => ({ ...pingMetric(known, '', { id: undefined, addresses: null, error: '' }, 1_000, 15_000), value: typeof value === 'string' ? value : JSON.stringify(value) })

test('a peer that is connected to at the start is there, and what it has said of itself meanwhile stays', () => {
  const metrics = new Map<string, Metric>([[known, pingMetric(known, 'its name', { id: undefined, addresses: null, error: '' }, 1_000, 15_000)]])
  const monitor = { latest: () => [...metrics.values()], record: (metric: Metric) => { metrics.set(metric.peer, metric) } }
  for (const peer of [known, unknown]) recordPresence(monitor, peer, 1_000, 15_000)
  assert.deepEqual([known, unknown].map(peer => readPing(metrics.get(peer)).peername), ['its name', ''])
  assert.equal(metrics.get(unknown)?.expire, 31_000)
})

test('a peer that answers is there, by each answer anew until a ping of its own counts, and for half a minute however short the pings of this peer live', () => {
  const recorded: Metric[] = []
  let [hears, hasTold] = [true, false]
  const monitor = { hears: () => hears, hasTold: () => hasTold, record: (metric: Metric) => { recorded.push(metric) } }
  const answer = { id: known, peername: 'its name', ipfs: { id: node, addresses: null, error: '' } }
  recordAnswer(monitor, answer, 1_000, 15_000)
  recordAnswer(monitor, answer, 11_000, 1_000)
  hasTold = true
  recordAnswer(monitor, answer, 21_000, 15_000)
  hears = false
  recordAnswer(monitor, answer, 31_000, 300_000)
  assert.deepEqual(recorded.map(({ name, peer, expire }) => [name, peer, expire]), [31_000, 41_000, 631_000].map(expire => ['ping', known, expire]))
  assert.deepEqual(readPing(recorded[0]), { peername: 'its name', ipfsPeerId: node, ipfsPeerAddresses: null })
})

test('a ping tells the name and the IPFS node, with the addresses that others can reach', () => {
  const metric = pingMetric(known, 'its name', { id: node, addresses: [address(1), '/ip4/10.0.0.1/tcp/4001' as Multiaddress, address(2)], error: '' }, 1_000, 15_000)
  assert.deepEqual(JSON.parse(metric.value), { peer_name: 'its name', ipfs_id: node, ipfs_addresses: [address(1), address(2)] })
  assert.deepEqual(readPing(metric), { peername: 'its name', ipfsPeerId: node, ipfsPeerAddresses: [address(1), address(2)] })
  assert.deepEqual(JSON.parse(pingMetric(known, 'n', { id: undefined, addresses: ['/ip4/10.0.0.1/tcp/4001' as Multiaddress], error: '' }, 1_000, 15_000).value), { peer_name: 'n' })
})

test('a peer that repins later than is usual says when, which is believed up to a day; what says nothing of it is of the usual kind', () => {
  const told = (delayMs?: number): Metric => pingMetric(known, 'its name', { id: node, addresses: null, error: '' }, 1_000, 15_000, delayMs)
  assert.deepEqual([undefined, 0, 90_000, 1e12].map(delayMs => readRepinDelay(told(delayMs))), [0, 0, 90_000, 86_400_000])
  assert.deepEqual(readPing(told(90_000)), readPing(told()))
  assert.deepEqual(JSON.parse(told().value), { peer_name: 'its name', ipfs_id: node })
  for (const value of ['', 'null', '[]', '{"flotilla_repin_delay_ms":"9"}', { flotilla_repin_delay_ms: -1 }, { flotilla_repin_delay_ms: null }]) assert.equal(readRepinDelay(said(value)), 0)
  assert.equal(readRepinDelay(undefined), 0)
})

test('of what another peer says of itself as much is taken as has room in every status', () => {
  const told = readPing(said({ peer_name: 'x'.repeat(60_000), ipfs_id: node, ipfs_addresses: Array.from({ length: 1_000 }, (_, n) => address(n % 256)) }))
  assert.equal(told.peername.length, 1_024)
  assert.equal(told.ipfsPeerAddresses?.length, 64)
})

test('what cannot be read of a ping says nothing, and its sender is there all the same', () => {
  const nothing = { peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null }
  for (const value of ['', '{', 'null', '7', '{"ipfs_id":"none"}', '{"ipfs_addresses":["none"]}', '{"peer_name":7,"ipfs_id":7,"ipfs_addresses":7}']) assert.deepEqual(readPing(said(value)), nothing, value)
  assert.deepEqual(readPing(undefined), nothing)
})

test('an address that means something on one machine or site only is told to nobody', () => {
  const hosts = (family: string, ...all: string[]): string[] => all.map(host => `/${family}/${host}/tcp/4001`)
  const inside = [
    ...hosts('ip4', '127.0.0.1', '10.1.2.3', '0.0.0.0', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.0.1', '100.64.0.1', '100.127.255.255', '224.0.0.1', '255.255.255.255'),
    ...hosts('ip6', '::1', '::', 'fc00::1', 'fd12::1', 'fe80::1', 'FEBF::1', 'ff02::1'),
    ...hosts('dns4', 'localhost', 'printer.local', 'LOCALHOST'),
    '/unix/socket', '',
  ]
  const outside = [
    ...hosts('ip4', '1.1.1.1', '172.15.0.1', '172.32.0.1', '192.167.0.1', '169.253.0.1', '100.63.0.1', '100.128.0.1', '223.255.255.255', '11.0.0.1', '191.168.0.1', '170.254.0.1'),
    ...hosts('ip6', '2606:4700::1111', '::2', 'fec0::1', 'a::fd00'),
    ...hosts('dns4', 'local.example', 'node.example', 'notlocal'), '/dnsaddr/node.example',
  ]
  assert.deepEqual(inside.filter(one => isPublic(one as Multiaddress)), [])
  assert.deepEqual(outside.filter(one => !isPublic(one as Multiaddress)), [])
})
