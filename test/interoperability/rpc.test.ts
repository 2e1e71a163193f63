import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { MetricMessage } from '../../src/codec/messages.ts'
import type { PeerId } from '../../src/domain/peer.ts'
import type { PinInfo } from '../../src/domain/status.ts'
import type { Block } from '../../src/ipfs/connector.ts'
import { connectedNetworks, testPlatform, testSecret, testSettings } from '../../src/platform/libp2p/network.fixture.ts'
import type { Network } from '../../src/platform/network.ts'
import type { PeerCalls } from '../../src/rpc/peer-calls.ts'
import { rpcCalls } from '../../src/rpc/rpc-calls.ts'
import { blockOf, cidOf, informationOf, MemoryService, peerOf, pinInfoOf, pinOf } from '../../src/rpc/rpc.fixture.ts'
import { servePeers } from '../../src/rpc/server.ts'
import { until } from '../endurance/scratch-peer.ts'
import { GoCrdtPeer } from './go-crdt-peer.ts'

const programs = process.env['FLOTILLA_GO_BIN']
const skip = programs === undefined ? 'FLOTILLA_GO_BIN names no folder with the Go programs' : false
const run = promisify(execFile)

async function folderOf (test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rpc-go-'))
  test.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function goPeer (test: TestContext, environment: NodeJS.ProcessEnv = {}): Promise<GoCrdtPeer> {
  const peer = await GoCrdtPeer.make(programs as string, await folderOf(test), {
    CLUSTER_SECRET: Buffer.from(testSecret).toString('hex'),
    CLUSTER_PUBSUB_HEARTBEATINTERVAL: '1s',
    CLUSTER_MONITORPINGINTERVAL: '2s',
    ...environment,
  })
  test.after(() => peer.close())
  await peer.start()
  return peer
}

interface OurPeer { readonly network: Network, readonly calls: PeerCalls, readonly service: MemoryService, readonly log: string[] }

/** A peer of ours that answers calls from memory. */
async function ourPeer (test: TestContext, go: GoCrdtPeer): Promise<OurPeer> {
  const [own] = await connectedNetworks(test, 1, { pubsub: { ...testSettings.pubsub, heartbeatIntervalMs: 1_000 } })
  const { network } = own as { network: Network }
  const service = new MemoryService(network.self)
  const log: string[] = []
  const platform = testPlatform(log)
  const server = servePeers({ network, service, isTrusted: () => true, platform })
  await server.start(new AbortController().signal)
  test.after(() => server.stop())
  await network.connect(go.address, {})
  return { network, calls: rpcCalls({ network, platform }), service, log }
}

async function * eachOf (blocks: readonly Block[]): AsyncGenerator<Block> { yield * blocks }

test('every call of ours is answered by a peer of the Go program', { skip, timeout: 120_000 }, async test => {
  const go = await goPeer(test)
  const { calls, network, service, log } = await ourPeer(test, go)
  const peer = go.id
  const information = await calls.id(peer, {})
  assert.equal(information.id, peer)
  assert.equal(information.error, '')
  assert.ok(information.ipfs.id !== undefined)
  assert.equal(await calls.version(peer, {}), information.version)
  const added = await calls.addPeer(peer, network.self, {})
  // It puts itself among our members.
  assert.deepEqual({ ...added, clusterPeers: [network.self] }, informationOf(network.self, 'served'), 'it has called us back')
  assert.deepEqual(service.calls, ['id'])

  const pin = { ...pinOf(1), replicationFactorMin: -1, replicationFactorMax: -1 }
  await calls.logPin(peer, pin, {})
  assert.equal((await go.pins()).get(pin.cid), pin.name)
  await until(async () => (await calls.status(peer, pin.cid, {})).status === 16, () => false)
  const status = await calls.status(peer, pin.cid, {})
  assert.deepEqual([status.cid, status.name, status.peer, status.error], [pin.cid, pin.name, peer, ''])
  assert.equal((await calls.recover(peer, pin.cid, {})).status, 16)
  for (let i = 2; i < 60; i++) await calls.logPin(peer, { ...pinOf(i), replicationFactorMin: -1, replicationFactorMax: -1 }, {})
  const statuses = calls.statusAll(peer, 0, {})
  const listed: PinInfo[] = []
  for await (const batch of statuses) listed.push(...batch)
  assert.equal(statuses.isOrdered?.(), false)
  assert.deepEqual(listed.map(({ cid }) => cid).toSorted(), Array.from({ length: 59 }, (_, i) => cidOf(i + 1)).toSorted())
  assert.deepEqual((await Array.fromAsync(calls.statusAll(peer, 4096, {}))).flat(), [])
  assert.deepEqual(await Array.fromAsync(calls.recoverAll(peer, {})), [])
  await calls.logUnpin(peer, pin, {})
  assert.equal((await go.pins()).has(pin.cid), false)

  assert.deepEqual((await calls.members(peer, {})).map(({ id }) => id), [peer])
  assert.deepEqual(await calls.collectGarbage(peer, {}), { peer, peername: information.peername, keys: [], error: '' })
  assert.equal((await calls.repositoryStat(peer, {})).storageMax, 1e13)
  assert.deepEqual(await calls.swarmPeers(peer, {}), [])
  await assert.rejects(calls.removePeer(peer, network.self, {}), { code: 'UNSUPPORTED', message: /cannot remove peers$/ })
  const blocks = [1, 1000, 262_144, 1_048_576].map(size => blockOf(new Uint8Array(size).fill(size % 250)))
  const { repoSize: before } = await calls.repositoryStat(peer, {})
  await calls.putBlocks(peer, eachOf(blocks), {})
  assert.equal((await calls.repositoryStat(peer, {})).repoSize - before, blocks.reduce((sum, { bytes }) => sum + bytes.length, 0))
  assert.deepEqual(log.filter(line => line.startsWith('warn')), [])
})

test('a peer of the Go program that does not trust us answers only what is open', { skip, timeout: 120_000 }, async test => {
  const go = await goPeer(test, { CLUSTER_CRDT_TRUSTEDPEERS: peerOf(1) })
  const { calls } = await ourPeer(test, go)
  assert.equal((await calls.id(go.id, {})).id, go.id)
  await assert.rejects(calls.status(go.id, cidOf(1), {}), { code: 'NOT_AUTHORIZED' })
  await assert.rejects(calls.members(go.id, {}), { code: 'NOT_AUTHORIZED' })
  await assert.rejects(calls.putBlocks(go.id, eachOf([blockOf(new Uint8Array(500_000))]), {}), { code: 'NOT_AUTHORIZED' })
})

/** Lets the other peers take us for a member, as long as the test runs. */
async function announce (test: TestContext, network: Network): Promise<void> {
  const ping = (): void => {
    const now = Date.now()
    const value = JSON.stringify({ peer_name: 'served', ipfs_id: peerOf(1000) })
    const metric = { name: 'ping', peer: network.self, value, expire: now + 30_000, valid: true, weight: 0, partitionable: false, receivedAt: 0 }
    void network.publish('monitor.metrics', MetricMessage.encodeMsgpack(metric))
  }
  const timer = setInterval(ping, 500)
  test.after(() => { clearInterval(timer) })
  ping()
}

/** Runs `ipfs-cluster-ctl` of the Go program against a peer of it. Lines of JSON come back. */
async function ctl (go: GoCrdtPeer, ...args: string[]): Promise<string> {
  const { stdout } = await run(join(programs as string, 'ipfs-cluster-ctl'), ['--enc', 'json', '--host', go.apiAddress, ...args], { timeout: 30_000, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

test('every call of a peer of the Go program is answered by ours', { skip, timeout: 180_000 }, async test => {
  const go = await goPeer(test)
  const { network, service, log } = await ourPeer(test, go)
  await announce(test, network)
  const peers = async (): Promise<Array<{ id: PeerId, peername: string, error: string }>> => JSON.parse(`[${(await ctl(go, 'peers', 'ls')).trim().replaceAll(/\n(?=\{)/g, ',')}]`) as Array<{ id: PeerId, peername: string, error: string }>
  await until(async () => (await peers()).length === 2, () => false)
  for (let i = 0; i < 10; i++) {
    const found = (await peers()).find(({ id }) => id === network.self)
    assert.deepEqual([found?.peername, found?.error], ['served', ''], `peers ls, time ${i}`)
  }

  const pin = pinOf(1)
  await go.pin(pin.cid, 'everywhere')
  service.statuses = [Array.from({ length: 2000 }, (_, number) => pinInfoOf(number, network.self))]
  for (let i = 0; i < 10; i++) {
    const all = await ctl(go, 'status')
    for (const number of [0, 1, 1999]) assert.ok(all.includes(cidOf(number)), `status, time ${i}: ${number}`)
  }
  assert.ok((await ctl(go, 'status', pin.cid)).includes(network.self))
  assert.ok((await ctl(go, 'recover', pin.cid)).includes(network.self))
  assert.ok((await ctl(go, 'recover')).includes(cidOf(2)))
  assert.ok((await ctl(go, 'ipfs', 'gc')).includes('locked'))
  // The Go program's ctl crashes on a link to a peer that nobody else knows.
  service.membership = [informationOf(network.self, 'served'), informationOf(go.id, 'go')]
  assert.ok((await ctl(go, 'health', 'graph')).includes(network.self), 'the picture shows us')
  const graph = await (await fetch(`http://127.0.0.1:${go.apiAddress.split('/')[4]}/health/graph`)).text()
  for (const part of [peerOf(1000), peerOf(8), peerOf(9)]) assert.ok(graph.includes(part), 'our node and its links are in the graph')
  for (const call of ['id', 'members', 'statusAll 0', `status ${pin.cid}`, `recover ${pin.cid}`, 'recoverAll', 'collectGarbage', 'swarmPeers']) assert.ok(service.calls.includes(call), call)

  const file = join(await folderOf(test), 'file')
  for (let i = 0; i < 10; i++) {
    service.blocks.length = 0
    const bytes = Buffer.alloc(700_000, i + 1)
    await writeFile(file, bytes)
    await ctl(go, 'add', '--raw-leaves', file)
    assert.equal(service.calls.filter(call => call === 'putBlocks').length, i + 1, `add, time ${i}`)
    const leaves = service.blocks.filter(({ cid }) => cid.code === 0x55)
    for (const { cid, bytes } of service.blocks) assert.deepEqual(Buffer.from(cid.multihash.digest), createHash('sha256').update(bytes).digest())
    assert.equal(leaves.reduce((sum, leaf) => sum + leaf.bytes.length, 0) % 262_144, 700_000 % 262_144, 'the same leaf comes once')
  }

  service.failure = new Error('the disk is full')
  assert.ok((await ctl(go, 'status', pin.cid)).includes('the disk is full'))
  assert.ok((await ctl(go, 'ipfs', 'gc')).includes('the disk is full'))
  assert.ok((await ctl(go, 'add', file)).length > 0, 'the Go peer goes on with its own node')
  assert.deepEqual(log.filter(line => line.startsWith('warn') && !line.includes('the disk is full')), [])
})
