import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Transport } from '@libp2p/interface'
import type { Multiaddress } from '../../domain/peer.ts'
import { virtualClock } from '../virtual-clock.ts'
import { echo, hasPeer, serveEcho, testNetwork, testSecret, type TestNetwork } from './network.fixture.ts'
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

test('a stranger cannot leave half a large message in memory; members send as much as ever', { timeout: 30_000 }, async t => {
  const [a, b] = [await listening(t), await listening(t)]
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

test('a connection that does not become a WebSocket is closed, one that does is not', async () => {
  const clock = virtualClock()
  const server = new EventEmitter()
  const listener = { server, wsServer: { options: { maxPayload: 0 } }, onWsServerConnection: (_websocket: EventEmitter, _request: { readonly socket: Socket }) => {} }
  limitWebSockets(() => ({ createListener: () => listener }) as unknown as Transport, { clock, hasSecret: true })({}).createListener({} as never)
  const destroyed: string[] = []
  const opened = (name: string): Socket => {
    const socket = Object.assign(new EventEmitter(), { destroy: () => { destroyed.push(name) } }) as unknown as Socket
    server.emit('connection', socket)
    return socket
  }
  opened('silent')
  listener.onWsServerConnection(new EventEmitter(), { socket: opened('websocket') })
  opened('gone').emit('close')
  await clock.advance(9_000)
  assert.deepEqual(destroyed, [])
  await clock.advance(2_000)
  assert.deepEqual(destroyed, ['silent'])
  assert.equal(clock.nextAt(), undefined)
})
