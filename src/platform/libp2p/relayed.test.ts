import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Multiaddress } from '../../domain/peer.ts'
import { echo, hasPeer, serveEcho, testIdentity, testNetwork, until, type TestNetwork } from './network.fixture.ts'
import type { NetworkSettings } from './network-settings.ts'

const signal = new AbortController().signal

/** A peer in an Internet of loopback addresses. Without a listen address nobody can dial it, as behind a router. */
async function peer (t: TestContext, listen: readonly string[], settings: Partial<NetworkSettings> = {}): Promise<TestNetwork> {
  const made = await testNetwork(t, { listenMultiaddress: listen as Multiaddress[], ...settings }, undefined, address => address.startsWith('/ip4/127.'))
  await made.network.start(signal)
  return made
}

async function relay (t: TestContext, host: string, settings: Partial<NetworkSettings> = {}): Promise<TestNetwork> {
  return peer(t, [`/ip4/${host}/tcp/0`], settings)
}

async function connect (from: TestNetwork, to: TestNetwork): Promise<void> {
  const seen = hasPeer(to.network, from.self)
  await from.network.connect(to.network.addresses()[0] as Multiaddress, {})
  await seen
}

/** Connects to the relay and waits until it knows by which address others reach the peer through it. */
async function takeSlot (from: TestNetwork, at: TestNetwork): Promise<void> {
  await connect(from, at)
  await until(() => relayed(from).length > 0 && at.network.knownAddresses(from.self).some(address => address.includes('/p2p-circuit')))
}

/** The addresses at which the peer is reached through others. */
function relayed ({ network }: TestNetwork): Multiaddress[] {
  return network.addresses().filter(address => address.includes('/p2p-circuit'))
}

test('a peer that cannot be reached takes a slot at a relay, and another finds it there: streams and blocks go through', { timeout: 60_000 }, async t => {
  const r = await relay(t, '127.0.0.2')
  const [a, b] = [await peer(t, []), await peer(t, [])]
  serveEcho(a)
  const data = Buffer.from('a block')
  const cid = CID.createV1(0x55, await sha256.digest(data))
  a.network.serveBlocks(async wanted => wanted.equals(cid) ? data : undefined)
  await connect(b, r)
  await takeSlot(a, r)
  assert.deepEqual(relayed(a), [`${r.network.addresses()[0]}/p2p-circuit/p2p/${a.self}`])

  // Nobody has told b where a is: the relay knows.
  await echo(b, a)
  assert.ok(b.network.peers().includes(a.self))
  assert.deepEqual(Buffer.from(await b.network.fetchBlock(cid, { from: a.self })), data)

  // Who is told the address needs to know nobody.
  const c = await peer(t, [])
  assert.equal(await c.network.connect(relayed(a)[0] as Multiaddress, {}), a.self)
  await echo(c, a)
  serveEcho(c)
  await echo(a, c)
})

test('gossip of a peer that nobody can dial reaches others by the relay, as a member of the topic', { timeout: 60_000 }, async t => {
  const r = await relay(t, '127.0.0.2')
  const [a, b] = [await peer(t, []), await peer(t, [])]
  const heard: string[] = []
  for (const { network, self } of [a, b, r]) network.subscribe('topic', ({ data }) => { heard.push(`${self} ${Buffer.from(data).toString()}`) })
  await connect(a, r)
  await connect(b, r)
  await a.network.publish('topic', Buffer.from('hello'))
  await until(() => [a, b, r].every(({ self }) => heard.includes(`${self} hello`)))
})

test('a relayed connection ends at the limit of the relay, and the next call gets a new one', { timeout: 60_000 }, async t => {
  const r = await relay(t, '127.0.0.2')
  const [a, b] = [await peer(t, []), await peer(t, [])]
  serveEcho(a)
  await connect(b, r)
  await takeSlot(a, r)
  await echo(b, a)
  await assert.rejects(echo(b, a, Buffer.alloc(512 * 1024)))
  await until(() => !b.network.peers().includes(a.self))
  await echo(b, a)
})

test('relays are tried while an address that answers nothing takes its time', { timeout: 60_000 }, async t => {
  const r = await relay(t, '127.0.0.2')
  const [a, b] = [await peer(t, []), await peer(t, [], { dialPeerTimeoutMs: 30_000 })]
  serveEcho(a)
  const sockets = new Set<Socket>()
  const silent = createServer(socket => { sockets.add(socket.on('error', () => {})) }).listen(0, '127.0.0.3')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  await once(silent, 'listening')
  await connect(b, r)
  await takeSlot(a, r)
  await b.network.remember([`/ip4/127.0.0.3/tcp/${(silent.address() as AddressInfo).port}/p2p/${a.self}` as Multiaddress, ...relayed(a)])
  await echo(b, a)
  assert.equal(sockets.size, 1)
  // Many that call at once share one connection.
  await Promise.all(Array.from({ length: 20 }, () => echo(b, a)))
  assert.equal(sockets.size, 1)
})

test('another relay is tried while one that answers nothing takes its time', { timeout: 60_000 }, async t => {
  const r = await relay(t, '127.0.0.2')
  const [a, b] = [await peer(t, []), await peer(t, [])]
  serveEcho(a)
  await takeSlot(a, r)
  const silent = createServer(() => {})
  t.after(() => silent.close())
  await once(silent.listen(0, '127.0.0.3'), 'listening')
  const [real = ''] = relayed(a)
  const { id } = await testIdentity()
  // What was told last is tried first.
  await b.network.remember([real as Multiaddress, `/ip4/127.0.0.3/tcp/${(silent.address() as AddressInfo).port}/p2p/${id}/p2p-circuit/p2p/${a.self}` as Multiaddress])
  await echo(b, a)
})

test('a peer that can be reached learns it, needs no relay, and keeps the connection by which it asked', { timeout: 60_000 }, async t => {
  const r = await relay(t, '127.0.0.2')
  // Others see it at this address, the one from which this machine dials.
  const a = await relay(t, '127.0.0.1')
  const b = await peer(t, [])
  await connect(a, r)
  const lost: string[] = []
  for (const { network } of [a, r]) network.onPeer((other, isConnected) => { if (!isConnected) lost.push(other) })
  // It relays itself only when it knows that it can be reached. It cannot tell b, which has the same address, whether that can be.
  await connect(b, a)
  await connect(b, r)
  await until(() => relayed(b).some(address => address.includes(a.self)))
  assert.deepEqual(lost, [])
  assert.deepEqual(relayed(a), [])
})

test('with enable_relay_hop off nobody is relayed', { timeout: 60_000 }, async t => {
  const [off, on] = [await relay(t, '127.0.0.2', { enableRelayHop: false }), await relay(t, '127.0.0.3')]
  const a = await peer(t, [])
  await connect(a, off)
  await connect(a, on)
  await until(() => relayed(a).length > 0)
  assert.deepEqual(relayed(a), [`${on.network.addresses()[0]}/p2p-circuit/p2p/${a.self}`])
  assert.equal(off.network.speaks(a.self, '/libp2p/circuit/relay/0.2.0/hop'), false)
  assert.equal(a.network.speaks(off.self, '/libp2p/circuit/relay/0.2.0/hop'), false)
  assert.equal(a.network.speaks(on.self, '/libp2p/circuit/relay/0.2.0/hop'), true)
})

test('when a relay ends, another takes its place and its address is not announced any more', { timeout: 60_000 }, async t => {
  const [first, second] = [await relay(t, '127.0.0.2'), await relay(t, '127.0.0.3')]
  const a = await peer(t, [])
  await connect(a, first)
  await until(() => relayed(a).length > 0)
  await first.network.stop()
  await until(() => relayed(a).length === 0)
  await connect(a, second)
  await until(() => relayed(a).length > 0)
  assert.deepEqual(relayed(a), [`${second.network.addresses()[0]}/p2p-circuit/p2p/${a.self}`])
})
