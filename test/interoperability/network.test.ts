import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { MetricMessage } from '../../src/codec/messages.ts'
import { decodeBroadcast } from '../../src/consensus/crdt/broadcast-message.ts'
import { encodeBase58 } from '../../src/domain/base58.ts'
import { parseCid } from '../../src/domain/cid.ts'
import type { Metric } from '../../src/domain/metric.ts'
import type { Multiaddress } from '../../src/domain/peer.ts'
import { connectedNetworks, hasPeer, testNetwork, testSecret, type TestNetwork } from '../../src/platform/libp2p/network.fixture.ts'
import { privateNetwork } from '../../src/platform/libp2p/private-network.ts'
import type { GossipMessage } from '../../src/platform/network.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { until } from '../endurance/scratch-peer.ts'
import { GoCrdtPeer } from './go-crdt-peer.ts'

const programs = process.env['FLOTILLA_GO_BIN']
const skip = programs === undefined ? 'FLOTILLA_GO_BIN names no folder with the Go programs' : false
/** The topic of the CRDT's heads: the multihash of the default cluster name (spec/wire.md 3). */
const headsTopic = encodeBase58(Buffer.concat([Buffer.of(0xd5, 0x01, 16), createHash('md5').update('ipfs-cluster').digest()]))
const signal = new AbortController().signal

async function goPeer (t: TestContext, environment: NodeJS.ProcessEnv = {}): Promise<GoCrdtPeer> {
  const folder = await mkdtemp(join(tmpdir(), 'network-go-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const peer = await GoCrdtPeer.make(programs as string, folder, { CLUSTER_SECRET: Buffer.from(testSecret).toString('hex'), CLUSTER_MONITORPINGINTERVAL: '2s', ...environment })
  t.after(() => peer.close())
  return peer
}

function heard ({ network }: TestNetwork, topic: string, wanted: (message: GossipMessage) => boolean): Promise<GossipMessage> {
  return new Promise(resolve => {
    const end = network.subscribe(topic, message => {
      if (!wanted(message)) return
      end()
      resolve(message)
    })
  })
}

test('a Go peer and ours connect over Noise and TLS, either dialling', { skip, timeout: 60_000 }, async t => {
  const go = await goPeer(t)
  const [ours] = await connectedNetworks(t, 1) as [TestNetwork]
  await go.start(ours.network.addresses())
  await hasPeer(ours.network, go.id)
  for (const address of [go.address, ours.network.addresses()[0] as Multiaddress]) {
    for (const [protocol, encrypter] of [['/noise', noise()], ['/tls/1.0.0', tls()]] as const) {
      const third = await createLibp2p({
        transports: [tcp()],
        streamMuxers: [yamux()],
        connectionEncrypters: [encrypter],
        connectionProtector: privateNetwork({ secret: testSecret, clock: systemClock, random: systemRandom, onStranger: host => { assert.fail(`${host} has the secret`) } }),
      })
      t.after(() => third.stop())
      const connection = await third.dial(multiaddr(address))
      assert.equal(connection.encryption, protocol)
      const stream = await connection.newStream('/ipfs/ping/1.0.0')
      const answer = new Promise<Uint8Array>(resolve => { stream.addEventListener('message', ({ data }) => { resolve(data.subarray()) }) })
      const ping = Buffer.alloc(32, protocol)
      stream.send(ping)
      assert.deepEqual(Buffer.from(await answer), ping)
      await third.stop()
    }
  }
})

test('gossip of both kinds reaches the other at once, and a block of the Go peer is fetched', { skip, timeout: 60_000 }, async t => {
  const go = await goPeer(t)
  await go.start()
  const [ours] = await connectedNetworks(t, 1) as [TestNetwork]
  const fromGo = heard(ours, 'monitor.metrics', ({ from }) => from === go.id)
  const heads = heard(ours, headsTopic, ({ from }) => from === go.id)
  await ours.network.connect(go.address, {})

  // Both go out at once after connecting: without care for new subscribers they would be lost.
  const ping: Metric = { name: 'ping', peer: ours.self, value: '{"peer_name":"ours"}', expire: Date.now() + 60_000, valid: true, weight: 0, partitionable: false, receivedAt: 0 }
  await ours.network.publish('monitor.metrics', MetricMessage.encodeMsgpack(ping))
  await go.pin(parseCid('QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'), 'a name')
  const [head] = decodeBroadcast((await heads).data)
  assert.ok(head !== undefined)
  const block = await ours.network.fetchBlock(head.cid, { from: go.id })
  assert.ok(Buffer.from(block).includes('a name'))
  assert.equal(MetricMessage.decodeMsgpack((await fromGo).data).peer, go.id)
  const [, , host, , port] = go.apiAddress.split('/')
  await until(async () => (await (await fetch(`http://${host}:${port}/monitor/metrics/ping`)).text()).includes(ours.self))
})

test('a Go peer with another secret is refused at both sides, and our log says why', { skip, timeout: 60_000 }, async t => {
  const ours = await testNetwork(t)
  await ours.network.start(signal)
  const go = await goPeer(t, { CLUSTER_SECRET: '08'.repeat(32) })
  await go.start(ours.network.addresses())
  await until(async () => ours.log.some(line => /it does not have the cluster secret/.test(line)))
  await assert.rejects(ours.network.connect(go.address, {}), { message: /^failed to dial / })
  const dialler = await testNetwork(t)
  await dialler.network.start(signal)
  await assert.rejects(dialler.network.connect(go.address, {}), { message: /^failed to dial / })
  assert.ok(dialler.log.some(line => /have the cluster secret/.test(line)), dialler.log.join('\n'))
  assert.deepEqual([ours.network.peers(), dialler.network.peers()], [[], []])
})
