import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import type { Network } from '../network.ts'
import { virtualClock } from '../virtual-clock.ts'
import { echo, serveEcho, testIdentity, testNetwork } from './network.fixture.ts'
import { dialInParallel } from './parallel-dials.ts'

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

test('nobody whose answer is not waited for any more passes for one without the secret', async t => {
  const [a, b] = [await testNetwork(t, patient), await testNetwork(t, patient)]
  for (const { network } of [a, b]) await network.start(signal)
  const [real = ''] = b.network.addresses()
  // Lets through what comes before the first encrypted byte, and no more.
  const slow = createServer(socket => {
    const other = connect(Number(real.split('/')[4]), '127.0.0.1')
    other.once('data', (nonce: Buffer) => { socket.write(nonce.subarray(0, 24)) })
    for (const end of [socket, other]) end.on('error', () => {})
    socket.pipe(other)
  })
  await new Promise<void>(resolve => { slow.listen(0, '127.0.0.1', resolve) })
  t.after(() => slow.close())
  await a.network.remember([real as Multiaddress, real.replace(/\/tcp\/\d+/, `/tcp/${(slow.address() as AddressInfo).port}`) as Multiaddress])
  serveEcho(b)
  await echo(a, b)
  assert.deepEqual(a.log.filter(line => line.startsWith('warn')), [])
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

test('no more addresses are dialled at a time than may be, and all in the end', async () => {
  const clock = virtualClock()
  const dialled: Array<(error: Error) => void> = []
  const dialQueue = {
    maxPeerAddrsToDial: 25,
    addressDialTimeout: 3_600_000,
    calculateMultiaddrs: async (_peer: unknown, addresses: Set<string>) => [...addresses].map(address => ({ multiaddr: multiaddr(address) })),
    dialPeer: async (_job: object, _signal: AbortSignal): Promise<unknown> => undefined,
  }
  const dial = (): Promise<never> => new Promise((_resolve, reject) => { dialled.push(reject) })
  dialInParallel({ components: { connectionManager: { dialQueue }, transportManager: { dial } } } as never, clock, 8)
  const ended = assert.rejects(dialQueue.dialPeer({ multiaddrs: new Set(Array.from({ length: 40 }, (_, port) => `/ip4/10.0.0.1/tcp/${port + 1}`)) }, new AbortController().signal), AggregateError)
  await clock.advance(60_000)
  assert.equal(dialled.length, 8)
  for (let i = 0; i < 25; i++) {
    dialled[i]?.(new Error('refused'))
    await clock.advance(1_000)
    assert.equal(dialled.length, Math.min(25, 9 + i))
  }
  await ended
})

test('an address that does not answer leaves its place to another, also when nobody who waits has set a limit', async () => {
  const clock = virtualClock()
  const dialled: string[] = []
  const dialQueue = {
    maxPeerAddrsToDial: 25,
    addressDialTimeout: 6_000,
    calculateMultiaddrs: async (_peer: unknown, addresses: Set<string>) => [...addresses].map(address => ({ multiaddr: multiaddr(address) })),
    dialPeer: async (_job: object, _signal: AbortSignal): Promise<unknown> => undefined,
  }
  const dial = (address: object, { signal }: { readonly signal: AbortSignal }): Promise<never> => new Promise((_resolve, reject) => {
    dialled.push(String(address))
    signal.addEventListener('abort', () => { reject(new Error('cancelled')) })
  })
  dialInParallel({ components: { connectionManager: { dialQueue }, transportManager: { dial } } } as never, clock, 8)
  const addresses = Array.from({ length: 9 }, (_, port) => `/ip4/10.0.0.1/tcp/${port + 1}`)
  const ended = assert.rejects(dialQueue.dialPeer({ multiaddrs: new Set(addresses) }, signal), ({ errors }: AggregateError) => {
    assert.deepEqual(errors.map(({ name, message }: Error) => [name, message]), addresses.map(address => ['TimeoutError', `${address} has not answered in time`]))
    return true
  })
  await clock.advance(5_900)
  assert.deepEqual(dialled, addresses.slice(0, 8))
  await clock.advance(200)
  assert.deepEqual(dialled, addresses)
  await clock.advance(6_000)
  await ended
  assert.equal(clock.nextAt(), undefined)
})
