import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { PinMessage } from '../../src/codec/messages.ts'
import { CrdtConsensus } from '../../src/consensus/crdt/crdt-consensus.ts'
import { cidOf, pinOf } from '../../src/consensus/crdt/crdt-peers.fixture.ts'
import type { Multiaddress } from '../../src/domain/peer.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openLevelDbStore } from '../../src/platform/leveldb-store.ts'
import { connectedNetworks, testSecret, testSettings } from '../../src/platform/libp2p/network.fixture.ts'
import type { Platform } from '../../src/platform/lifecycle.ts'
import { silentLoggers } from '../../src/platform/logger.ts'
import { noMetrics } from '../../src/platform/metrics.ts'
import type { Network } from '../../src/platform/network.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { until } from '../endurance/scratch-peer.ts'
import { GoCrdtPeer } from './go-crdt-peer.ts'

const programs = process.env['FLOTILLA_GO_BIN']
const skip = programs === undefined ? 'FLOTILLA_GO_BIN names no folder with the Go programs' : false

const platform: Platform = { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
/** Quicker than usual, so that peers find into each other's gossip mesh within the patience of a test. */
const pubsub = { ...testSettings.pubsub, heartbeatIntervalMs: 1_000 }
const goEnvironment = {
  CLUSTER_SECRET: Buffer.from(testSecret).toString('hex'),
  CLUSTER_PUBSUB_HEARTBEATINTERVAL: '1s',
  CLUSTER_CRDT_CLUSTERNAME: 'mixed',
  CLUSTER_CRDT_REBROADCASTINTERVAL: '3s',
}

async function folderOf (test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crdt-go-'))
  test.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function goPeer (test: TestContext, environment: NodeJS.ProcessEnv = {}): Promise<GoCrdtPeer> {
  const peer = await GoCrdtPeer.make(programs as string, await folderOf(test), { ...goEnvironment, ...environment })
  test.after(() => peer.close())
  return peer
}

async function ourPeer (test: TestContext, network: Network, folder: string): Promise<CrdtConsensus> {
  const consensus = new CrdtConsensus({
    self: network.self,
    store: await openLevelDbStore(folder),
    codec: PinMessage,
    datastoreNamespace: '/c',
    trustedPeers: ['*'],
    batching: { maxSize: 0, maxAgeMs: 0 },
    members: () => [],
    platform,
    exchange: { network, clusterName: 'mixed', rebroadcastIntervalMs: 3_000 },
  })
  test.after(() => consensus.stop())
  await consensus.start()
  return consensus
}

async function namesOf (consensus: CrdtConsensus): Promise<Map<string, string>> {
  return new Map((await Array.fromAsync(consensus.pinset().list({}))).flat().map(({ cid, name }) => [cid as string, name]))
}

const sorted = (names: Map<string, string>): Array<[string, string]> => [...names].toSorted(([a], [b]) => a < b ? -1 : 1)

test('two peers of the Go program and two of ours share one pinset', { skip, timeout: 120_000 }, async test => {
  const plain = await goPeer(test)
  await plain.start()
  const batching = await goPeer(test, { CLUSTER_CRDT_BATCHING_MAXBATCHSIZE: '20', CLUSTER_CRDT_BATCHING_MAXBATCHAGE: '300ms' })
  await batching.start([plain.address])
  const networks = await connectedNetworks(test, 2, { pubsub })
  const [first, second] = await Promise.all(networks.map(async ({ network }) => {
    const consensus = await ourPeer(test, network, await folderOf(test))
    for (const peer of [plain, batching]) await network.connect(peer.address, {})
    return consensus
  })) as [CrdtConsensus, CrdtConsensus]

  const all = async (): Promise<Array<Array<[string, string]>>> => [...await Promise.all([plain, batching].map(peer => peer.pins())), ...await Promise.all([first, second].map(namesOf))].map(sorted)
  const agree = (count: number, before: () => Promise<void> = async () => {}): Promise<void> => until(async () => {
    await before()
    const [one, ...others] = await all()
    return one?.length === count && others.every(other => JSON.stringify(other) === JSON.stringify(one))
  })

  const numbers = (from: number): number[] => Array.from({ length: 30 }, (_, i) => from + i)
  await Promise.all([
    ...numbers(0).map(n => plain.pin(cidOf(n), `plain ${n}`)),
    ...numbers(100).map(n => batching.pin(cidOf(n), `batching ${n}`)),
    ...numbers(200).map(n => first.logPin(pinOf(n, { name: `first ${n}` }))),
    ...numbers(300).map(n => second.logPin(pinOf(n, { name: `second ${n}` }))),
  ])
  await agree(120)

  // Everybody removes what others have pinned.
  await Promise.all([
    ...numbers(300).slice(0, 10).map(n => plain.unpin(cidOf(n))),
    ...numbers(200).slice(0, 10).map(n => batching.unpin(cidOf(n))),
    ...numbers(100).slice(0, 10).map(n => first.logUnpin(pinOf(n))),
    ...numbers(0).slice(0, 10).map(n => second.logUnpin(pinOf(n))),
  ])
  await agree(80)

  // All at once to the same pins: which of them wins is open, that all take the same is not.
  await Promise.all(numbers(500).flatMap(n => [
    plain.pin(cidOf(n), `plain ${n}`),
    batching.pin(cidOf(n), `batching ${n}`),
    first.logPin(pinOf(n, { name: `first ${n}` })),
    second.logPin(pinOf(n, { name: `second ${n}` })),
  ]))
  await agree(110)
  // A pin that is still on its way to the peer that removes it wins against the removal: then once more.
  let turn = 0
  await agree(80, async () => {
    const left = await namesOf(first)
    for (const n of numbers(500)) if (left.has(cidOf(n))) await (turn++ % 2 === 0 ? first.logUnpin(pinOf(n)) : plain.unpin(cidOf(n)).catch(() => {}))
  })

  // One that comes later. The Go program may keep removed pins then: it merges tombstones beside
  // elements, and a value can be written after the tombstone has removed it.
  const late = await goPeer(test)
  await late.start([networks[0]?.network.addresses()[0] as Multiaddress])
  const expected = await namesOf(first)
  await until(async () => {
    const pins = await late.pins()
    return [...expected].every(([cid, name]) => pins.get(cid) === name)
  })
  await late.stop()

  // Its folder in our hands has what all others have.
  const [network] = await connectedNetworks(test, 1, { pubsub })
  const taken = await ourPeer(test, network?.network as Network, late.datastore)
  await network?.network.connect(networks[0]?.network.addresses()[0] as Multiaddress, {})
  await until(async () => JSON.stringify(sorted(await namesOf(taken))) === JSON.stringify(sorted(expected)))
  assert.equal(taken.inspect().digest, first.inspect().digest)
})

test('a folder of the Go program goes on as it is', { skip, timeout: 120_000 }, async test => {
  const go = await goPeer(test)
  await go.start()
  for (let n = 0; n < 20; n++) await go.pin(cidOf(n), `pin ${n}`)
  for (let n = 0; n < 5; n++) await go.unpin(cidOf(n))
  const pins = sorted(await go.pins())
  await go.stop()

  const [network] = await connectedNetworks(test, 1, { pubsub })
  const ours = await ourPeer(test, network?.network as Network, go.datastore)
  assert.deepEqual(sorted(await namesOf(ours)), pins)
  assert.equal(ours.pinset().count(), 15)
  await ours.logPin(pinOf(100))
  await ours.logUnpin(pinOf(19))
  await ours.stop()

  await go.start()
  const expected = new Map(pins)
  expected.delete(cidOf(19))
  assert.deepEqual(sorted(await go.pins()), sorted(expected.set(cidOf(100), 'pin 100')))
})
