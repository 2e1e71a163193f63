import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import type { Network } from '../network.ts'
import { echo, serveEcho, testIdentity, testNetwork } from './network.fixture.ts'

const signal = new AbortController().signal
/** The busiest machine is not to run out of it. */
const patient = { dialPeerTimeoutMs: 20_000 }

/** An address that takes connections and says nothing, as a network that swallows packets does. */
async function silentAddress (t: TestContext, peer: PeerId): Promise<Multiaddress> {
  const server = createServer(() => {})
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.after(() => server.close())
  return `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${peer}` as Multiaddress
}

async function manySilent (t: TestContext, peer: PeerId): Promise<Multiaddress[]> {
  return Promise.all(Array.from({ length: 4 }, () => silentAddress(t, peer)))
}

const connectToAny = (network: Network, addresses: readonly Multiaddress[]): Promise<PeerId> => Promise.any(addresses.map(address => network.connect(address, {})))

test('a peer is reached at the address that works, although others that are tried before it never answer', async t => {
  const [a, b] = [await testNetwork(t, patient), await testNetwork(t, patient)]
  serveEcho(b)
  for (const { network } of [a, b]) await network.start(signal)
  // What was told last is tried first.
  await a.network.remember([...b.network.addresses(), ...await manySilent(t, b.self)])
  await echo(a, b)
})

test('so is one that several wait for, each at an address of its own, also when some of these are of no use', async t => {
  const [a, b] = [await testNetwork(t, patient), await testNetwork(t, patient)]
  for (const { network } of [a, b]) await network.start(signal)
  const unusable = `/ip4/127.0.0.1/udp/1/quic-v1/p2p/${b.self}` as Multiaddress
  assert.equal(await connectToAny(a.network, [unusable, ...await manySilent(t, b.self), ...b.network.addresses()]), b.self)
})

test('why a peer could not be dialled is told: what went wrong with each address, or that none has answered in time', async t => {
  const { id } = await testIdentity()
  const { network } = await testNetwork(t, { dialPeerTimeoutMs: 500 })
  await network.start(signal)
  const refusing = [1, 2].map(port => `/ip4/127.0.0.1/tcp/${port}/p2p/${id}` as Multiaddress)
  await assert.rejects(network.connect(refusing[0] as Multiaddress, {}), { code: 'PEER_UNREACHABLE', message: /ECONNREFUSED 127\.0\.0\.1:1$/ })
  await assert.rejects(connectToAny(network, refusing), ({ errors }: AggregateError) => errors.every(({ message }: Error) => /ECONNREFUSED.*:1; .*ECONNREFUSED.*:2$/.test(message)))
  await assert.rejects(network.connect(await silentAddress(t, id), {}), { code: 'TIMED_OUT', message: `failed to dial ${id}: no answer in time` })
})
