import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Multiaddress } from '../../domain/peer.ts'
import { frame, readFrames } from '../bitswap/frames.ts'
import { autonatProtocol, decodeAnswer, dialStatus, encodeRequest, maxMessageBytes, type DialAnswer, type DialRequest } from './autonat-message.ts'
import { hasPeer, testIdentity, testNetwork, type TestNetwork } from './network.fixture.ts'

/** Counts those that dial it, and hangs up on them. */
async function target (t: TestContext, host: string, port: number): Promise<{ readonly port: number, readonly dials: () => number }> {
  let dials = 0
  const server = createServer(socket => {
    dials++
    socket.on('error', () => {}).destroy()
  }).listen(port, host)
  t.after(() => { server.close() })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, dials: () => dials }
}

async function ask (from: TestNetwork, to: TestNetwork, request: DialRequest): Promise<DialAnswer | undefined> {
  const stream = await from.network.open(to.self, autonatProtocol, {})
  await stream.write(frame(encodeRequest(request)))
  const answers: Array<DialAnswer | undefined> = []
  // The helper lets two streams of a peer in at a time: each ends before the next.
  for await (const message of readFrames(stream.incoming, maxMessageBytes)) answers.push(decodeAnswer(message))
  await stream.closeWrite()
  return answers[0]
}

test('who asks to be dialled is dialled at the host that it comes from, whatever it says, and not often', { timeout: 60_000 }, async t => {
  const isOfInternet = (address: string): boolean => address.startsWith('/ip4/127.')
  const helper = await testNetwork(t, { listenMultiaddress: ['/ip4/127.0.0.2/tcp/0' as Multiaddress] }, undefined, isOfInternet)
  // It is of no network of the helper: it asks nobody itself.
  const asker = await testNetwork(t, { listenMultiaddress: [] }, undefined, () => false)
  for (const { network } of [helper, asker]) await network.start(new AbortController().signal)
  const seen = hasPeer(helper.network, asker.self)
  await asker.network.connect(helper.network.addresses()[0] as Multiaddress, {})
  await seen

  const victim = await target(t, '127.0.0.3', 0)
  const self = await target(t, '127.0.0.1', victim.port)
  const addresses = [
    `/ip4/127.0.0.3/tcp/${victim.port}`, `/ip4/127.0.0.3/tcp/${victim.port}/p2p/${helper.self}/p2p-circuit`, `/dns4/localhost/tcp/${victim.port}`, `/ip4/127.0.0.3/udp/${victim.port}`,
  ] as Multiaddress[]
  assert.equal((await ask(asker, helper, { peer: (await testIdentity()).id, addresses }))?.status, dialStatus.badRequest)
  const statuses: Array<number | undefined> = []
  for (let i = 0; i < 5; i++) statuses.push((await ask(asker, helper, { peer: asker.self, addresses }))?.status)
  assert.deepEqual(statuses, [dialStatus.dialError, dialStatus.dialError, dialStatus.dialError, dialStatus.refused, dialStatus.refused])
  assert.deepEqual([self.dials(), victim.dials()], [3, 0])
})
