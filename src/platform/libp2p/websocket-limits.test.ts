import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createHash } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Transport } from '@libp2p/interface'
import type { Multiaddress } from '../../domain/peer.ts'
import { virtualClock } from '../virtual-clock.ts'
import { echo, hasPeer, serveEcho, testIdentity, testNetwork, testSecret, type TestNetwork } from './network.fixture.ts'
import { limitWebSockets } from './websocket-limits.ts'

const signal = new AbortController().signal

async function listening (t: Parameters<typeof testNetwork>[0], hasSecret = true): Promise<TestNetwork> {
  const made = await testNetwork(t, { secret: hasSecret ? testSecret : new Uint8Array(), listenMultiaddress: ['/ip4/127.0.0.1/tcp/0/ws' as Multiaddress] })
  await made.network.start(signal)
  return made
}

/** A WebSocket of somebody who sends frames of his own making. */
async function stranger (t: Parameters<typeof testNetwork>[0], { network }: TestNetwork): Promise<Socket> {
  const socket = connect(Number(/\/tcp\/(\d+)/.exec(network.addresses()[0] as string)?.[1]), '127.0.0.1')
  t.after(async () => { socket.destroy() })
  socket.on('error', () => {}).write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n')
  await once(socket, 'data')
  return socket
}

/** Resolves when the other side has ended the WebSocket with that code (RFC 6455, 7.4). */
async function ended (socket: Socket, code: number): Promise<void> {
  let answer = Buffer.alloc(0)
  while (!answer.includes(Buffer.of(code >> 8, code & 255))) {
    const [more] = await once(socket, 'data') as [Buffer]
    answer = Buffer.concat([answer, more])
  }
}

for (const hasSecret of [true, false]) {
  test(`what is no WebSocket ends its connection and nothing else, ${hasSecret ? 'with' : 'without'} a secret`, { timeout: 30_000 }, async t => {
    const a = await listening(t, hasSecret)
    const socket = await stranger(t, a)
    const end = ended(socket, 1002)
    socket.write(Buffer.of(0xff, 0xff, 0, 0))
    await end
  })
}

for (const hasSecret of [true, false]) {
  test(`a stranger cannot leave half a large message in memory; members send as much as ever, ${hasSecret ? 'with' : 'without'} a secret`, { timeout: 30_000 }, async t => {
    const [a, b] = [await listening(t, hasSecret), await listening(t, hasSecret)]
    serveEcho(a)
    const seen = hasPeer(a.network, b.self)
    await b.network.connect(a.network.addresses()[0] as Multiaddress, {})
    await seen
    await Promise.all(Array.from({ length: 8 }, () => echo(b, a, Buffer.alloc(3_000_000, 'some bytes'))))
    const socket = await stranger(t, a)
    const end = ended(socket, 1009)
    // The head of a masked frame of 100 MiB.
    socket.write(Buffer.of(0x82, 0xff, 0, 0, 0, 0, 6, 0x40, 0, 0, 0, 0, 0, 0))
    await end
    await echo(b, a)
  })
}

/** What somebody sends who has another secret: a nonce, and what does not decrypt to the greeting. The mask of zeros changes nothing. */
const otherSecret = (mask: Buffer): Buffer => Buffer.concat([24, 30].flatMap(length => [Buffer.of(0x82, (mask.length > 0 ? 0x80 : 0) | length), mask, Buffer.alloc(length, 7)]))

test('the connection of somebody with another secret is closed, not only forgotten', { timeout: 30_000 }, async t => {
  const socket = await stranger(t, await listening(t))
  socket.resume().write(otherSecret(Buffer.alloc(4)))
  await once(socket, 'close')
})

type Behaviour = 'says nothing' | 'opens and says nothing' | 'has another secret'

/** Somebody who is dialled: what he does, and `ended` with each connection that is. */
async function dialledStranger (t: Parameters<typeof testNetwork>[0], behaviour: Behaviour): Promise<{ readonly address: Multiaddress, readonly ended: Promise<unknown> }> {
  const server = createServer(socket => {
    socket.on('error', () => {}).on('close', () => { server.emit('ended') }).resume().once('data', request => {
      if (behaviour === 'says nothing') return
      const key = /Sec-WebSocket-Key: (.*)\r\n/i.exec(request.toString())?.[1] as string
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      const answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
      socket.write(behaviour === 'has another secret' ? Buffer.concat([Buffer.from(answer), otherSecret(Buffer.alloc(0))]) : answer)
    })
  })
  t.after(async () => { server.close() })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return { address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/ws/p2p/${(await testIdentity()).id}` as Multiaddress, ended: once(server, 'ended') }
}

for (const listens of [true, false]) {
  for (const behaviour of ['says nothing', 'opens and says nothing', 'has another secret'] as const) {
    test(`one to somebody who ${behaviour} that was dialled is closed too, by a peer that ${listens ? 'listens for WebSockets' : 'does not listen for them'}`, { timeout: 30_000 }, async t => {
      const { address, ended } = await dialledStranger(t, behaviour)
      const { network, log } = await testNetwork(t, { dialPeerTimeoutMs: behaviour === 'has another secret' ? 20_000 : 500, ...(listens && { listenMultiaddress: ['/ip4/127.0.0.1/tcp/0/ws' as Multiaddress] }) })
      await network.start(signal)
      await assert.rejects(network.connect(address, {}))
      await ended
      assert.equal(log.some(line => line.startsWith('warn refused')), behaviour === 'has another secret')
    })
  }
}

test('a connection that does not become a WebSocket is closed, one that does is not', async () => {
  const clock = virtualClock()
  const server = new EventEmitter()
  const listener = { server, wsServer: { options: { maxPayload: 0 } }, onWsServerConnection: (_websocket: EventEmitter & { close (): void }, _request: { readonly socket: Socket }) => {} }
  limitWebSockets(() => ({ createListener: () => listener, dial: async () => {} }) as unknown as Transport, { clock, hasSecret: true })({}).createListener({} as never)
  const destroyed: string[] = []
  const opened = (name: string): Socket => {
    const socket = Object.assign(new EventEmitter(), { destroy: () => { destroyed.push(name) } }) as unknown as Socket
    server.emit('connection', socket)
    return socket
  }
  opened('silent')
  listener.onWsServerConnection(Object.assign(new EventEmitter(), { close: () => {} }), { socket: opened('websocket') })
  opened('gone').emit('close')
  await clock.advance(9_000)
  assert.deepEqual(destroyed, [])
  await clock.advance(2_000)
  assert.deepEqual(destroyed, ['silent'])
  assert.equal(clock.nextAt(), undefined)
})
