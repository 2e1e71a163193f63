import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Connection, MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface'
import type { PeerId } from '../../domain/peer.ts'
import { systemClock } from '../clock.ts'
import type { PeerStream } from '../network.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { Dht } from './dht.ts'
import { makeHost, type Host } from './host.ts'
import { lonelyGossip, testIdentity, testPlatform, testSettings } from './network.fixture.ts'
import { peerStream } from './peer-stream.ts'

async function startedHost (t: TestContext, heartbeatIntervalMs: number): Promise<Host> {
  const { privateKey } = await testIdentity()
  const settings = { ...testSettings, pubsub: { ...testSettings.pubsub, heartbeatIntervalMs } }
  const host = await makeHost({ privateKey, settings, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer: () => {} })
  t.after(() => host.stop())
  await host.start()
  return host
}

async function connectedHosts (t: TestContext, heartbeatIntervalMs = 10_000): Promise<{ near: Host, far: Host, connection: Connection }> {
  const [near, far] = [await startedHost(t, heartbeatIntervalMs), await startedHost(t, heartbeatIntervalMs)]
  const connection = await near.dial(far.getMultiaddrs())
  return { near, far, connection }
}

const peerOf = (connection: Connection): PeerId => connection.remotePeer.toString() as PeerId

async function read (stream: PeerStream): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream.incoming) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** What Go peers do: the choice of the protocol, the request and the half-close in one go, without waiting for an answer. */
async function openAtOnce (connection: Connection, protocol: string, request: string): Promise<Stream> {
  const { muxer } = connection as unknown as { muxer: StreamMuxer<Stream> }
  const stream = await muxer.createStream()
  const line = (text: string): Buffer => Buffer.concat([Buffer.of(text.length + 1), Buffer.from(`${text}\n`)])
  stream.send(Buffer.concat([line('/multistream/1.0.0'), line(protocol), Buffer.from(request)]))
  await stream.close()
  return stream
}

test('a request and a half-close that came before the reader are read in full', async t => {
  const { far, connection } = await connectedHosts(t)
  const requests: Array<Promise<string>> = []
  const all = Promise.withResolvers<void>()
  const count = 50
  await far.handle('/early', (stream, from) => {
    const served = peerStream(stream, peerOf(from))
    // Some read at once, others when all there is to come has come.
    const turns = requests.length % 10
    requests.push((async () => {
      for (let i = 0; i < turns; i++) await new Promise(resolve => { setImmediate(resolve) })
      return read(served)
    })())
    if (requests.length === count) all.resolve()
  }, { maxInboundStreams: count })
  const expected = Array.from({ length: count }, (_, i) => `request ${i} `.repeat(1 + i * 100))
  for (const request of expected) await openAtOnce(connection, '/early', request)
  await all.promise
  assert.deepEqual((await Promise.all(requests)).toSorted(), expected.toSorted())
})

test('what the other side had sent to its end is read although the connection is lost', async t => {
  const { far, connection } = await connectedHosts(t)
  const served = Promise.withResolvers<PeerStream>()
  const open = Promise.withResolvers<PeerStream>()
  await far.handle('/ended', (stream, from) => { served.resolve(peerStream(stream, peerOf(from))) })
  await far.handle('/open', (stream, from) => { open.resolve(peerStream(stream, peerOf(from))) })
  await openAtOnce(connection, '/ended', 'all of it')
  const unfinished = peerStream(await connection.newStream('/open'), peerOf(connection))
  await unfinished.write(Buffer.from('a part'))
  const [ended, half] = [await served.promise, await open.promise]
  // Frames come in order: when this stream is there, all before it has arrived.
  const last = new Promise<void>(resolve => { void far.handle('/last', () => { resolve() }) })
  await connection.newStream('/last')
  await last
  const { maConn } = connection as unknown as { maConn: MultiaddrConnection }
  maConn.abort(new Error('the cable is cut'))
  await new Promise(resolve => { half.signal.addEventListener('abort', resolve) })
  assert.equal(await read(ended), 'all of it')
  await assert.rejects(ended.write(Buffer.of(1)), { code: 'PEER_UNREACHABLE' })
  await assert.rejects(read(half), { code: 'PEER_UNREACHABLE' })
  await assert.rejects(read(unfinished), { code: 'PEER_UNREACHABLE' })
  await assert.rejects(unfinished.write(Buffer.of(1)), { code: 'PEER_UNREACHABLE' })
})

test('who subscribes late gets what was said lately, also when that is much', async t => {
  const { near, far, connection } = await connectedHosts(t)
  const guard = (_topic: string, work: () => void): void => { work() }
  const [a, b] = [lonelyGossip(guard), lonelyGossip(guard)]
  a.start(near)
  b.start(far)
  t.after(() => { a.stop(); b.stop() })
  a.subscribe('t', () => {}, undefined)
  for (let i = 0; i < 40; i++) await a.publish('t', Buffer.alloc(100_000, i))
  const heard = new Set<number>()
  await new Promise<void>(resolve => {
    b.subscribe('t', ({ data }) => {
      if (data.length === 100_000) heard.add(data[0] as number)
      if (heard.size === 40) resolve()
    }, undefined)
  })
  assert.equal(connection.status, 'open')
})

test('gossip goes on after its streams were cut', async t => {
  const { near, far, connection } = await connectedHosts(t, 100)
  const guard = (_topic: string, work: () => void): void => { work() }
  const [a, b] = [lonelyGossip(guard), lonelyGossip(guard)]
  a.start(near)
  b.start(far)
  t.after(() => { a.stop(); b.stop() })
  const heard: string[] = []
  const wake: Array<() => void> = []
  for (const [name, gossip] of [['a', a], ['b', b]] as const) {
    gossip.subscribe('t', ({ data }) => { heard.push(`${name} ${Buffer.from(data).toString()}`); for (const one of wake.splice(0)) one() }, undefined)
  }
  await a.linked(peerOf(connection), undefined)
  const until = async (condition: () => boolean): Promise<void> => { while (!condition()) await new Promise<void>(resolve => { wake.push(resolve) }) }
  await a.publish('t', Buffer.from('before'))
  await until(() => heard.includes('b before'))
  for (const stream of connection.streams) if (stream.protocol.startsWith('/meshsub/')) stream.abort(new Error('cut'))
  await Promise.all([a.publish('t', Buffer.from('from a')), b.publish('t', Buffer.from('from b'))])
  await until(() => heard.includes('b from a') && heard.includes('a from b'))
})
