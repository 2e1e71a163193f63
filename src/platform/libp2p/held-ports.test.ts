import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { freePorts } from '../../../scripts/free-ports.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { HeldPorts } from './held-ports.ts'
import { echo, serveEcho, testNetwork, type TestNetwork } from './network.fixture.ts'

const { signal } = new AbortController()

/** A network that is not started but listens, on that port. */
async function listening (t: TestContext): Promise<TestNetwork & { readonly port: number }> {
  for (;;) {
    const [port] = await freePorts(1) as [number]
    const network = await testNetwork(t, { listenMultiaddress: [`/ip4/127.0.0.1/tcp/${port}` as Multiaddress] })
    try {
      await network.network.listenEarly?.()
      return { ...network, port }
    } catch (error) {
      // Somebody else was given it meanwhile.
      if ((error as { code?: unknown }).code !== 'ADDRESS_IN_USE') throw error
    }
  }
}

async function dialled (port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

test('who dials while the host is being loaded is served when it is there, and who comes later too', async t => {
  const early = await listening(t)
  // To load a host takes longer than peers usually wait where the machine has much else to do.
  const [dialler, later] = [await testNetwork(t, { dialPeerTimeoutMs: 60_000 }), await testNetwork(t, { dialPeerTimeoutMs: 60_000 })]
  const address = `/ip4/127.0.0.1/tcp/${early.port}/p2p/${early.self}` as Multiaddress
  await dialler.network.start(signal)
  const connected = dialler.network.connect(address, {})
  const [waiting, gone] = [await dialled(early.port), await dialled(early.port)]
  gone.destroy()
  serveEcho(early)
  const spoken = once(waiting, 'data')
  await early.network.start(signal)
  // The private network's first word.
  await spoken
  waiting.destroy()
  assert.equal(await connected, early.self)
  await echo(dialler, early)
  assert.deepEqual(early.network.addresses(), [address])
  await later.network.start(signal)
  assert.equal(await later.network.connect(address, {}), early.self)
  await echo(later, early)
})

test('a port that somebody else has is told at once', async t => {
  const { port } = await listening(t)
  const second = await testNetwork(t, { listenMultiaddress: [`/ip4/127.0.0.1/tcp/${port}` as Multiaddress] })
  await assert.rejects(async () => second.network.listenEarly?.(), { code: 'ADDRESS_IN_USE' })
})

test('a host that is not started after all gives the port back, and those who wait are told', async t => {
  const { network, port } = await listening(t)
  const socket = await dialled(port)
  socket.resume()
  const closed = once(socket, 'close')
  await network.stop()
  await closed
  const refused = connect(port, '127.0.0.1')
  await once(refused, 'error')
})

test('not more than a few hundred wait; addresses of other kinds are left alone', async t => {
  const ports = new HeldPorts()
  const [port] = await freePorts(1) as [number]
  await ports.hold([`/ip4/127.0.0.1/tcp/${port}`, '/ip4/127.0.0.1/tcp/1/ws', '/ip4/192.0.2.1/tcp/1'] as Multiaddress[])
  t.after(() => { ports.release() })
  const sockets: Socket[] = []
  for (let n = 0; n < 256; n++) sockets.push(await dialled(port))
  const surplus = connect(port, '127.0.0.1').resume()
  await once(surplus, 'close')
  assert.equal(sockets.every(socket => !socket.destroyed), true)
  sockets.forEach(socket => { socket.destroy() })
})
