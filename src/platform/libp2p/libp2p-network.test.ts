import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { Multiaddress } from '../../domain/peer.ts'
import { sleep, systemClock } from '../clock.ts'
import type { GossipMessage, PeerStream } from '../network.ts'
import { connectedNetworks, echo, hasPeer, read, serveEcho, testIdentity, testNetwork, testSettings, until, type TestNetwork } from './network.fixture.ts'

const signal = new AbortController().signal

async function pair (t: TestContext): Promise<[TestNetwork, TestNetwork]> {
  const [a, b] = await connectedNetworks(t, 2)
  assert.ok(a !== undefined && b !== undefined)
  return [a, b]
}

/** The first message on the topic. */
function heard ({ network }: TestNetwork, topic: string): Promise<GossipMessage> {
  return new Promise(resolve => { network.subscribe(topic, resolve) })
}

/** Resolves when so many streams were served. */
function served ({ network }: TestNetwork, protocol: string): { streams: PeerStream[], next: () => Promise<PeerStream> } {
  const streams: PeerStream[] = []
  const waiting: Array<(stream: PeerStream) => void> = []
  network.handle(protocol, stream => {
    const wake = waiting.shift()
    if (wake === undefined) streams.push(stream)
    else wake(stream)
  })
  return { streams, next: () => streams.length > 0 ? Promise.resolve(streams.shift() as PeerStream) : new Promise(resolve => { waiting.push(resolve) }) }
}

test('streams carry bytes both ways and end with the half-close; traffic is counted', async t => {
  const [a, b] = await pair(t)
  serveEcho(b)
  await Promise.all([echo(a, b), echo(a, b, Buffer.alloc(5_000_000, 'some bytes')), echo(a, b, new Uint8Array())])
  const { '/echo': traffic } = a.network.bandwidth()
  assert.equal(traffic?.totalOut, 5_000_005)
  assert.equal(traffic?.totalIn, 5_000_005)
  assert.ok((traffic?.rateIn ?? 0) > 0)
})

test('peers are dialled whatever time that may take', async t => {
  for (const dialPeerTimeoutMs of [2000.5, 7.2e9, 2 ** 31]) {
    const [a, b] = await connectedNetworks(t, 2, { dialPeerTimeoutMs })
    serveEcho(b as TestNetwork)
    await echo(a as TestNetwork, b as TestNetwork)
  }
})

test('a writer waits for a slow reader, who gets everything in the end', async t => {
  const [a, b] = await pair(t)
  const { next } = served(b, '/slow')
  const stream = await a.network.open(b.self, '/slow', {})
  let written = 0
  const writing = (async () => {
    for (; written < 400; written++) await stream.write(Buffer.alloc(100_000, written))
    await stream.closeWrite()
  })()
  const incoming = await next()
  const other = served(b, '/other')
  // When it stands still it has filled what there is on the way.
  for (let before = -1; before !== written;) {
    before = written
    for (let i = 0; i < 20; i++) {
      await a.network.open(b.self, '/other', {})
      await other.next()
    }
  }
  assert.ok(written < 100, `${written} of 400 pieces were taken without a reader`)
  const all = await read(incoming)
  await writing
  assert.equal(all.length, 40_000_000)
  assert.equal(all.every((byte, at) => byte === Math.floor(at / 100_000) % 256), true)
})

test('resets, lost connections, unknown protocols and impatience each give their error', async t => {
  const [a, b] = await pair(t)
  const { next } = served(b, '/wait')
  const first = await a.network.open(b.self, '/wait', {})
  const reading = assert.rejects(read(first), { code: 'CANCELLED' })
  ;(await next()).reset()
  await reading
  assert.equal(first.signal.aborted, true)
  await assert.rejects(first.write(Buffer.of(1)), { code: 'CANCELLED' })
  first.reset()
  await assert.rejects(a.network.open(b.self, '/unknown', {}), { code: 'PEER_UNREACHABLE' })
  await assert.rejects(a.network.open(b.self, '/wait', { signal: AbortSignal.abort() }))
  await assert.rejects(a.network.connect(`/ip4/127.0.0.1/tcp/1/p2p/${b.self}` as Multiaddress, { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  const second = await a.network.open(b.self, '/wait', {})
  const lost = assert.rejects(read(second), { code: 'CANCELLED' })
  const gone = new Promise(resolve => { a.network.onPeer((peer, isConnected) => { if (!isConnected) resolve(peer) }) })
  await b.network.stop()
  await lost
  assert.equal(await gone, b.self)
  assert.equal(second.signal.aborted, true)
  assert.deepEqual(a.network.peers(), [])
  await assert.rejects(a.network.open(b.self, '/wait', {}), { code: 'PEER_UNREACHABLE', message: /^failed to dial / })
})

test('who runs out of time once the connection stands is told of the connection', async t => {
  const [a, b] = [await testNetwork(t), await testNetwork(t)]
  for (const { network } of [a, b]) await network.start(signal)
  // The other takes no part in gossip, which is waited for after the dial.
  a.network.subscribe('t', () => {})
  const late = new AbortController()
  a.network.onPeer(() => { systemClock.after(300, () => { late.abort() }) })
  assert.equal(await a.network.connect(b.network.addresses()[0] as Multiaddress, { signal: late.signal }), b.self)
})

test('a peer is dialled at the addresses that are remembered, or that others know', async t => {
  const [a, b] = await pair(t)
  const c = await testNetwork(t)
  serveEcho(c)
  serveEcho(a)
  await c.network.start(signal)
  await c.network.remember([...b.network.addresses(), '/ip4/127.0.0.1/tcp/1' as Multiaddress])
  assert.deepEqual(c.network.knownPeers(), [b.self])
  assert.deepEqual(c.network.knownAddresses(b.self), b.network.addresses())
  serveEcho(b)
  await echo(c, b)
  // c has never heard of a: b tells, as soon as its table knows a.
  for (;;) {
    const found = await c.network.open(a.self, '/echo', {}).catch(() => undefined)
    found?.reset()
    if (found !== undefined) break
    await sleep(systemClock, 20)
  }
  await echo(c, a)
})

test('gossip reaches all subscribers at once, also through others and oneself, and is dropped when it is not accepted', async t => {
  const [a, b] = await pair(t)
  const c = await testNetwork(t)
  await c.network.start(signal)
  const [atA, atB, atC] = [heard(a, 't'), heard(b, 't'), heard(c, 't')]
  const seen = hasPeer(b.network, c.self)
  await c.network.connect(b.network.addresses()[0] as Multiaddress, {})
  await seen
  await a.network.publish('t', Buffer.from('hello'))
  const greetings = await Promise.all([atA, atB, atC])
  for (const message of greetings) assert.deepEqual([message.from, Buffer.from(message.data).toString()], [a.self, 'hello'])

  const got: string[] = []
  b.network.subscribe('strict', message => { got.push(`b ${message.from}`) }, from => from !== a.self)
  c.network.subscribe('strict', message => { got.push(`c ${message.from}`) })
  const last = heard(c, 'last')
  const lastAtB = heard(b, 'last')
  a.network.subscribe('strict', () => {})
  a.network.subscribe('last', () => {})
  await a.network.publish('strict', Buffer.from('not forwarded'))
  await a.network.publish('last', Buffer.from('x'))
  await Promise.all([last, lastAtB])
  assert.deepEqual(got, [])
  await assert.rejects(a.network.publish('t', new Uint8Array(1024 * 1024)), { code: 'TOO_LARGE' })
  const large = heard(c, 't')
  await a.network.publish('t', new Uint8Array(1024 * 1024 - 1024))
  const { data, sequence = 0n } = await large
  assert.equal(data.length, 1024 * 1024 - 1024)
  assert.ok(sequence > (greetings[2]?.sequence ?? sequence), 'the later message has the greater number')
})

test('who stops in good order and comes back at once is in the gossip again, without a heartbeat', async t => {
  const settings = { pubsub: { ...testSettings.pubsub, heartbeatIntervalMs: 3_600_000 } }
  const [a, c] = await connectedNetworks(t, 2, settings) as [TestNetwork, TestNetwork]
  for (const { network } of [a, c]) network.subscribe('t', () => {})
  const identity = await testIdentity()
  for (let life = 0; life < 3; life++) {
    const b = await testNetwork(t, settings, identity)
    const missing = new Set([0, 1, 2, 3, 4, 5].map(i => `${life} ${i}`))
    const { promise: heardAll, resolve } = Promise.withResolvers<void>()
    const end = b.network.subscribe('t', ({ data }) => {
      if (missing.delete(Buffer.from(data).toString()) && missing.size === 0) resolve()
    })
    await b.network.start(signal)
    await b.network.connect(c.network.addresses()[0] as Multiaddress, {})
    for (let i = 0; i < 6; i++) {
      await sleep(systemClock, 50)
      // By way of the other: passed on is only to who has a place in the mesh.
      await a.network.publish('t', Buffer.from(`${life} ${i}`))
    }
    await heardAll
    end()
    // What a peer says when it leaves a topic arrives before its connections end.
    await sleep(systemClock, 200)
    await b.network.stop()
  }
})

test('blocks come from whoever has them, and as soon as they are there', async t => {
  const [a, b, c] = await connectedNetworks(t, 3) as [TestNetwork, TestNetwork, TestNetwork]
  const bytes = Buffer.alloc(300_000, 'block')
  const cid = CID.createV1(0x70, createDigest(0x12, createHash('sha256').update(bytes).digest()))
  let isThere = false
  c.network.serveBlocks(async wanted => isThere && wanted.equals(cid) ? bytes : undefined)
  const fetched = Promise.all([a.network.fetchBlock(cid, { from: c.self }), b.network.fetchBlock(cid, {})])
  isThere = true
  c.network.announceBlock(cid)
  for (const block of await fetched) assert.equal(bytes.equals(block), true)
})

test('a peer with another secret is refused at both sides, with a line that says so', async t => {
  const a = await testNetwork(t)
  const b = await testNetwork(t, { secret: new Uint8Array(32).fill(8) })
  const open = await testNetwork(t, { secret: new Uint8Array() })
  for (const { network } of [a, b, open]) await network.start(signal)
  for (const other of [b, open]) {
    for (const [from, to] of [[a, other], [other, a]] as const) {
      await assert.rejects(from.network.connect(to.network.addresses()[0] as Multiaddress, {}), { message: /^failed to dial / })
    }
  }
  assert.deepEqual([a, b, open].map(({ network }) => network.peers()), [[], [], []])
  // Once for each host, however often it tries.
  for (const { log } of [a, b]) assert.equal(log.filter(line => /^warn .*not (to )?have the cluster secret/.test(line)).length, 1, log.join('\n'))
})

test('garbage on the port, streams by the thousand and giant messages leave the others alone', async t => {
  const [a, b, c] = await connectedNetworks(t, 3) as [TestNetwork, TestNetwork, TestNetwork]
  serveEcho(a)
  const port = Number(/tcp\/(\d+)/.exec(a.network.addresses()[0] ?? '')?.[1])
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(10, 1), Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(10)), Buffer.alloc(5_000_000, 7)]) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.end(bytes)
    socket.resume()
    await new Promise(resolve => { socket.once('close', resolve) })
  }
  // b turns hostile: streams that nobody ends, and gossip larger than any peer may send.
  const { streams: held } = served(a, '/held')
  const opened = await Promise.allSettled(Array.from({ length: 1_200 }, () => b.network.open(a.self, '/held', {})))
  assert.ok(held.length <= 1_024 && opened.length === 1_200, `${held.length} streams are served`)
  const giant = await b.network.open(a.self, '/meshsub/1.2.0', {})
  await (async () => { for (let i = 0; i < 200; i++) await giant.write(Buffer.alloc(100_000, 0xff)) })().catch(() => {})
  await echo(c, a)
  const hearing = heard(a, 't')
  await c.network.publish('t', Buffer.from('still there'))
  assert.equal((await hearing).from, c.self)
})

test('listens and announces as it is told, and says clearly when it cannot listen', async t => {
  const a = await testNetwork(t, {
    listenMultiaddress: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws', '/ip4/0.0.0.0/udp/9096/quic'] as Multiaddress[],
    noAnnounceMultiaddress: ['/ip4/10.0.0.0/ipcidr/8'] as Multiaddress[],
  })
  await a.network.start(signal)
  const addresses = a.network.addresses()
  assert.equal(addresses.length, 2)
  assert.equal(addresses.every(address => address.endsWith(`/p2p/${a.self}`)), true)
  const announced = await testNetwork(t, { announceMultiaddress: ['/ip4/10.1.2.3/tcp/9096', '/dns4/peer.example/tcp/9096'] as Multiaddress[], noAnnounceMultiaddress: ['/ip4/10.0.0.0/ipcidr/8'] as Multiaddress[] })
  await announced.network.start(signal)
  assert.deepEqual(announced.network.addresses(), [`/dns4/peer.example/tcp/9096/p2p/${announced.self}`])
  const taken = addresses.filter(address => !address.includes('/ws')).map(address => address.replace(/\/p2p\/.*/, '') as Multiaddress)
  const second = await testNetwork(t, { listenMultiaddress: taken })
  await assert.rejects(second.network.start(signal), { code: 'ADDRESS_IN_USE' })
  // One address that works is enough, of either kind.
  const elsewhere = '/ip4/192.0.2.1/tcp/9096' as Multiaddress
  for (const works of ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] as Multiaddress[]) {
    const half = await testNetwork(t, { listenMultiaddress: [...taken, elsewhere, works] })
    await half.network.listenEarly?.()
    await half.network.start(signal)
    assert.equal(half.network.addresses().length, 1)
    assert.deepEqual(half.log.filter(line => line.includes('cannot listen')), [
      `error cannot listen for other peers on ${taken[0]}: another program does`,
      `error cannot listen for other peers on ${elsewhere}: this machine does not have the address`,
    ])
  }
  const none = await testNetwork(t, { listenMultiaddress: [elsewhere] })
  await none.network.listenEarly?.()
  await assert.rejects(none.network.start(signal), { code: 'INVALID_CONFIGURATION', message: `cannot listen for other peers on ${elsewhere}: this machine does not have the address; choose another cluster.listen_multiaddress` })
  // WebSockets work as TCP does.
  serveEcho(a)
  for (const listenMultiaddress of [['/ip4/127.0.0.1/tcp/0/ws'], ['/ip4/127.0.0.1/tcp/0']] as Multiaddress[][]) {
    const other = await testNetwork(t, { listenMultiaddress })
    await other.network.start(signal)
    assert.equal(await other.network.connect(addresses.find(address => address.includes('/ws')) as Multiaddress, {}), a.self)
    await echo(other, a)
  }
})

test('a connection that broke is made anew', async t => {
  const [a, b] = [await testNetwork(t), await testNetwork(t)]
  await a.network.start(signal)
  await b.network.start(signal)
  const port = Number(/tcp\/(\d+)/.exec(b.network.addresses()[0] ?? '')?.[1])
  const sockets: Socket[] = []
  const cable = createServer(near => {
    const far = connect(port, '127.0.0.1')
    sockets.push(near, far)
    for (const [from, to] of [[near, far], [far, near]] as const) from.on('error', () => {}).pipe(to)
  }).listen(0, '127.0.0.1')
  t.after(async () => { cable.close() })
  await new Promise(resolve => { cable.once('listening', resolve) })
  await a.network.connect(`/ip4/127.0.0.1/tcp/${(cable.address() as AddressInfo).port}/p2p/${b.self}` as Multiaddress, {})
  const changes: boolean[] = []
  const back = new Promise<void>(resolve => {
    a.network.onPeer((_peer, isConnected) => {
      changes.push(isConnected)
      if (isConnected) resolve()
    })
  })
  for (const socket of sockets) socket.destroy()
  await back
  assert.deepEqual(changes, [false, true])
  serveEcho(b)
  await echo(a, b)
  for (const socket of sockets) socket.destroy()
})

test('connections above the high mark are closed down to the low one', async t => {
  const hub = await testNetwork(t, { connectionManager: { highWater: 4, lowWater: 2, gracePeriodMs: 0 } })
  await hub.network.start(signal)
  const closed = new Promise<void>(resolve => {
    let count = 0
    hub.network.onPeer((_peer, isConnected) => { if (!isConnected && ++count === 3) resolve() })
  })
  for (let i = 0; i < 5; i++) {
    const { network, self } = await testNetwork(t)
    await network.start(signal)
    const seen = hasPeer(hub.network, self)
    await network.connect(hub.network.addresses()[0] as Multiaddress, {})
    await seen
  }
  await closed
})

test('names the listen addresses that it does not serve', async t => {
  const some = await testNetwork(t, { listenMultiaddress: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws', '/ip4/127.0.0.1/udp/0/quic', '/ip4/127.0.0.1/udp/0/quic-v1'] as Multiaddress[] })
  await some.network.start(signal)
  assert.deepEqual(some.log, ['info not listening on /ip4/127.0.0.1/udp/0/quic, /ip4/127.0.0.1/udp/0/quic-v1: only TCP and WebSocket can carry a private network'])
  assert.deepEqual(some.network.addresses().map(address => address.replace(/\d+(\/ws)?\/p2p.*/, '$1')), ['/ip4/127.0.0.1/tcp/', '/ip4/127.0.0.1/tcp//ws'])
  const none = await testNetwork(t, { listenMultiaddress: ['/ip4/127.0.0.1/udp/0/quic'] as Multiaddress[] })
  await none.network.start(signal)
  assert.deepEqual(none.log, ['warn not listening on /ip4/127.0.0.1/udp/0/quic: only TCP and WebSocket can carry a private network; no other peer can dial this one'])
  await none.network.connect(some.network.addresses()[1] as Multiaddress, {})
  assert.deepEqual(none.network.peers(), [some.self])
})

test('announces other addresses than those on which it listens, and hides some', async t => {
  const shown = ['/ip4/127.0.0.9/tcp/9096', '/dns4/peer.example/tcp/9096', '/ip4/10.1.2.3/tcp/9096'] as Multiaddress[]
  const { network, self } = await testNetwork(t, { announceMultiaddress: shown, noAnnounceMultiaddress: ['/ip4/10.0.0.0/ipcidr/8', '/ip4/127.0.0.9/tcp/1'] as Multiaddress[] })
  await network.start(signal)
  assert.deepEqual(network.addresses(), shown.slice(0, 2).map(address => `${address}/p2p/${self}`))
  const hidden = await testNetwork(t, { noAnnounceMultiaddress: ['/ip4/127.0.0.0/ipcidr/8'] as Multiaddress[] })
  await hidden.network.start(signal)
  assert.deepEqual(hidden.network.addresses(), [])
})

test('a peer with a public address answers questions of the Internet\'s table, others those of the local one', async t => {
  const open = await testNetwork(t, { announceMultiaddress: ['/ip4/1.2.3.4/tcp/9096'] as Multiaddress[] })
  const [other, hidden] = await connectedNetworks(t, 2) as [TestNetwork, TestNetwork]
  await open.network.start(signal)
  await open.network.connect(other.network.addresses()[0] as Multiaddress, {})
  await until(() => other.network.speaks(open.self, '/ipfs/kad/1.0.0') && other.network.speaks(hidden.self, '/ipfs/lan/kad/1.0.0'))
  assert.equal(other.network.speaks(hidden.self, '/ipfs/kad/1.0.0'), false)
})
