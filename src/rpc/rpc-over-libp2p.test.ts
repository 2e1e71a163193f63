import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress } from '../domain/peer.ts'
import type { Block } from '../ipfs/connector.ts'
import { connectedNetworks, testNetwork, testPlatform } from '../platform/libp2p/network.fixture.ts'
import { systemRandom } from '../platform/random.ts'
import { blockOf, cidOf, MemoryService, pinInfoOf } from './rpc.fixture.ts'
import { rpcCalls } from './rpc-calls.ts'
import { servePeers } from './server.ts'

async function * eachOf (blocks: readonly Block[]): AsyncGenerator<Block> { yield * blocks }

test('calls over real streams end, time after time, however much they carry', { timeout: 60_000 }, async test => {
  const [near, far] = await connectedNetworks(test, 2)
  assert.ok(near !== undefined && far !== undefined)
  const log: string[] = []
  const service = new MemoryService(far.self)
  const server = servePeers({ network: far.network, service, isTrusted: () => true, platform: testPlatform(log) })
  await server.start(new AbortController().signal)
  test.after(() => server.stop())
  const calls = rpcCalls({ network: near.network, platform: testPlatform(log) })
  const peer = far.self
  const infos = Array.from({ length: 3000 }, (_, number) => pinInfoOf(number, far.self))
  service.statuses = [infos]
  const blocks = [1, 262_144, 30, 3_000_000].map(size => blockOf(new Uint8Array(size).fill(size % 251)))
  for (let i = 0; i < 6; i++) {
    service.blocks.length = 0
    const [members, statuses, id] = await Promise.all([
      calls.members(peer, {}),
      Array.fromAsync(calls.statusAll(peer, 0, {})),
      calls.id(peer, {}),
      calls.putBlocks(peer, eachOf(blocks), {}),
      Promise.all(Array.from({ length: 50 }, () => calls.status(peer, cidOf(1), {}))),
    ])
    assert.equal(members.length, 2)
    assert.deepEqual(statuses.flat(), infos)
    assert.equal(id.peername, 'served')
    assert.deepEqual(service.blocks.map(({ bytes }) => Buffer.from(bytes)), blocks.map(({ bytes }) => Buffer.from(bytes)))
  }
  assert.deepEqual(log.filter(line => line.startsWith('warn')), [])
})

test('blocks of many callers arrive as they were, among small calls, and their memory is free when they were taken', { timeout: 60_000 }, async test => {
  const [near, far] = await connectedNetworks(test, 2)
  assert.ok(near !== undefined && far !== undefined)
  const service = new MemoryService(far.self)
  const arrived = new Map<string, Uint8Array>()
  let freed = 0
  service.putBlocks = async blocks => {
    for await (const { cid, bytes, release } of blocks) {
      arrived.set(cid.toString(), Uint8Array.from(bytes))
      release?.()
      if (bytes.length === 0) freed++
    }
  }
  const server = servePeers({ network: far.network, service, isTrusted: () => true, platform: testPlatform([]) })
  await server.start(new AbortController().signal)
  test.after(() => server.stop())
  const calls = rpcCalls({ network: near.network, platform: testPlatform([]) })
  const uploads = Array.from({ length: 6 }, (_, i) => Array.from({ length: 24 }, (_, j) => blockOf(systemRandom.bytes([70, 4_000, 65_400, 262_144, 1_000_003][(i + j) % 5] as number))))
  await Promise.all([
    ...uploads.map(blocks => calls.putBlocks(far.self, eachOf(blocks), {})),
    ...Array.from({ length: 300 }, async (_, i) => { assert.equal((await calls.status(far.self, cidOf(i), {})).cid, cidOf(i)) }),
  ])
  assert.equal(arrived.size, 6 * 24)
  assert.ok(freed > 10, `${freed} blocks had memory of their own`)
  for (const { cid, bytes } of uploads.flat()) assert.equal(Buffer.compare(arrived.get(cid.toString()) as Uint8Array, bytes), 0)
})

test('a peer that goes away in the midst of a call is an error for its caller and an end for its work', { timeout: 60_000 }, async test => {
  const [near, far] = await connectedNetworks(test, 2)
  assert.ok(near !== undefined && far !== undefined)
  const service = new MemoryService(far.self)
  service.isWaiting = true
  const server = servePeers({ network: far.network, service, isTrusted: () => true, platform: testPlatform([]) })
  await server.start(new AbortController().signal)
  const calls = rpcCalls({ network: near.network, platform: testPlatform([]) })
  const asked = calls.status(far.self, cidOf(1), {}).catch((error: unknown) => error)
  while (service.calls.length === 0) await new Promise(resolve => { setImmediate(resolve) })
  await server.stop()
  await far.network.stop()
  assert.equal((await asked as { code: string }).code, 'PEER_UNREACHABLE')
  assert.equal(service.cancelled, 1)
})

test('a peer that does not answer calls is unreachable', { timeout: 60_000 }, async test => {
  const [near] = await connectedNetworks(test, 1)
  const silent = await testNetwork(test)
  assert.ok(near !== undefined)
  await silent.network.start(new AbortController().signal)
  await near.network.remember(silent.network.addresses() as Multiaddress[])
  await assert.rejects(rpcCalls({ network: near.network, platform: testPlatform([]) }).id(silent.self, {}), { code: 'PEER_UNREACHABLE' })
})
