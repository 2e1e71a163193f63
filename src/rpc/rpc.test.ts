import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { RangeReply, StatusRange } from '../codec/status-ranges.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId, PeerInformation } from '../domain/peer.ts'
import type { PinInfo } from '../domain/status.ts'
import type { Block } from '../ipfs/connector.ts'
import { sleep, systemClock } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { RpcClient } from './client.ts'
import { methods } from './methods.ts'
import { blockOf, cidOf, informationOf, peerOf, pinInfoOf, pinOf, twoPeers } from './rpc.fixture.ts'

const server = peerOf(2)
const noOptions = {}

/** What is kept of {@link informationOf} in a list of members. */
function memberOf (peer: PeerId, peername: string): PeerInformation {
  const { ipfs, ...information } = informationOf(peer, peername)
  return { ...information, version: '', addresses: null, clusterPeers: null, clusterPeersAddresses: null, ipfs: { ...ipfs, addresses: null } }
}

function bothWays (name: string, run: (knowsChannels: boolean) => Promise<void>): void {
  test(`${name}, over a channel`, () => run(true))
  test(`${name}, over streams`, () => run(false))
}

bothWays('every call reaches the other peer and its answer comes back', async knowsChannels => {
  const peers = await twoPeers(systemClock, { knowsChannels })
  const { calls, service } = peers
  const cid = cidOf(4)
  assert.deepEqual(await calls.id(server, noOptions), informationOf(server, 'served'))
  assert.equal(await calls.version(server, noOptions), '1.1.6')
  assert.deepEqual(await calls.addPeer(server, peerOf(3), noOptions), informationOf(peerOf(3), 'added'))
  assert.deepEqual(await calls.members(server, noOptions), [memberOf(server, 'served'), memberOf(peerOf(5), 'other')])
  assert.deepEqual(await calls.status(server, cid, noOptions), { ...pinInfoOf(0, server), cid })
  assert.deepEqual(await calls.recover(server, cid, noOptions), { ...pinInfoOf(0, server), cid })
  assert.deepEqual(await Array.fromAsync(calls.recoverAll(server, noOptions)), [pinInfoOf(1, server), pinInfoOf(2, server)])
  assert.deepEqual(await calls.collectGarbage(server, noOptions), { peer: server, peername: 'served', keys: [{ cid: cidOf(1), error: '' }, { cid: undefined, error: 'locked' }], error: '' })
  assert.deepEqual(await calls.repositoryStat(server, noOptions), { repoSize: 5_000_000_000, storageMax: 10_000_000_000, numberOfObjects: 0 })
  assert.deepEqual(await calls.swarmPeers(server, noOptions), [peerOf(8), peerOf(9)])
  await calls.removePeer(server, peerOf(3), noOptions)
  await calls.logPin(server, pinOf(1), noOptions)
  await calls.logUnpin(server, pinOf(2), noOptions)
  assert.deepEqual(service.calls, [
    'id', `addPeer ${peerOf(3)}`, 'members', `status ${cid}`, `recover ${cid}`, 'recoverAll', 'collectGarbage', 'repositoryStat', 'swarmPeers', `removePeer ${peerOf(3)}`, 'logPin pin 1', 'logUnpin pin 2',
  ])
  assert.deepEqual(peers.warnings, [])
  await peers.stop()
})

test('a peer tells whom it is connected to; of one that does not know the question those of its members that answer it count', async () => {
  const told = { peername: 'served', ipfsPeerId: peerOf(9), connected: [peerOf(5)] }
  const { ipfs } = informationOf(server, 'served')
  for (const [knowsChannels, knowsNoLinks, asked] of [[true, false, ['links']], [true, true, ['links', 'members']], [false, false, ['members']]] as const) {
    const peers = await twoPeers(systemClock, { knowsChannels })
    Object.assign(peers.service, { knowsNoLinks, membership: [informationOf(server, 'served'), informationOf(peerOf(5), 'other'), { ...informationOf(peerOf(6), ''), error: 'dead' }] })
    assert.deepEqual(await peers.calls.links(server, noOptions), { ...told, ipfsPeerId: asked.length === 1 && asked[0] === 'links' ? told.ipfsPeerId : ipfs.id })
    assert.deepEqual(peers.service.calls, asked)
    peers.service.membership = [{ ...informationOf(server, 'served'), ipfs: { ...ipfs, error: 'no node' } }]
    if (knowsNoLinks) assert.deepEqual(await peers.calls.links(server, noOptions), { peername: 'served', ipfsPeerId: undefined, connected: [] })
    await peers.stop()
  }
})

test('all statuses come in batches, in their order, with the promise that they are ordered', async () => {
  const peers = await twoPeers(systemClock)
  const infos = Array.from({ length: 5000 }, (_, number) => pinInfoOf(number, server))
  peers.service.statuses = [infos.slice(0, 1), infos.slice(1, 4000), [], infos.slice(4000)]
  const statuses = peers.calls.statusAll(server, 16, noOptions)
  const got: PinInfo[] = []
  let batches = 0
  for await (const batch of statuses) {
    assert.equal(statuses.isOrdered?.(), true)
    batches++
    got.push(...batch)
  }
  assert.deepEqual(got, infos)
  assert.ok(batches < 500, `${batches} batches`)
  assert.deepEqual(peers.service.calls, ['statusAll 16'])
  await peers.stop()
})

test('a range of statuses is answered before the next one is asked for', async () => {
  const peers = await twoPeers(systemClock)
  const start = { isEqual: true, unexpected: 1, peername: 'other', ipfsPeerId: peerOf(9), ipfsPeerAddresses: null }
  peers.service.ranges = { A: [start, pinInfoOf(1, server)], '': [{ ...start, isEqual: false, unexpected: 0, ipfsPeerId: undefined }] }
  const got: RangeReply[] = []
  let answered = Promise.withResolvers<void>()
  async function * ranges (): AsyncGenerator<StatusRange> {
    for (const last of ['A', 'A', '']) {
      answered = Promise.withResolvers()
      yield { last, digest: Uint8Array.of(1, 2) }
      await answered.promise
    }
  }
  assert.ok(peers.calls.answersRanges(server))
  for await (const batch of peers.calls.statusRanges(server, ranges(), noOptions)) {
    got.push(...batch)
    if (got.length === 2 || got.length >= 4) answered.resolve()
  }
  const { A: first = [], '': last = [] } = peers.service.ranges
  assert.deepEqual(got, [...first, ...first, ...last])
  await peers.stop()
})

test('the first range may be asked for long after the call has begun: this peer lists the pins of its own IPFS node first', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const start = { isEqual: true, unexpected: 0, peername: 'other', ipfsPeerId: peerOf(9), ipfsPeerAddresses: null }
  peers.service.ranges = { '': [start] }
  async function * ranges (): AsyncGenerator<StatusRange> {
    await sleep(clock, 5 * 60_000, new AbortController().signal)
    yield { last: '', digest: Uint8Array.of(1, 2) }
  }
  const replies = Array.fromAsync(peers.calls.statusRanges(server, ranges(), noOptions))
  replies.catch(() => {})
  await clock.advance(6 * 60_000)
  assert.deepEqual(await replies, [[start]])
  assert.deepEqual(peers.warnings, [])
  await peers.stop()
})

test('a peer that does not know a method with many questions says so before it has them all', async () => {
  const peers = await twoPeers(systemClock)
  const client = new RpcClient(peers.caller, peers.platform)
  async function * ranges (): AsyncGenerator<StatusRange> {
    yield { last: 'A', digest: Uint8Array.of(1, 2) }
    await new Promise(() => {})
  }
  const replies = client.stream({ ...methods.statusRanges, method: 'StatusOfOld' }, server, ranges(), noOptions)
  await assert.rejects(Array.fromAsync(replies), error => error instanceof ClusterError && error.code === 'UNSUPPORTED')
  await peers.stop()
})

async function * eachOf (blocks: readonly Block[]): AsyncGenerator<Block> { yield * blocks }

test('blocks of all sizes arrive as they are, and none means no call', async () => {
  const peers = await twoPeers(systemClock)
  const blocks = [0, 1, 20, 262_144, 3, 1_048_576, 4 * 1_048_576, 5, 32 * 1_048_576, 7].map(size => blockOf(new Uint8Array(size).fill(size % 251)))
  await peers.calls.putBlocks(server, eachOf(blocks), noOptions)
  assert.deepEqual(peers.service.blocks.map(block => [block.cid.toString(), block.bytes]), blocks.map(block => [block.cid.toString(), block.bytes]))
  await peers.calls.putBlocks(server, eachOf([]), noOptions)
  assert.deepEqual(peers.service.calls, ['putBlocks'])
  await peers.stop()
})

bothWays('blocks of several hash functions come in one stream where the other peer takes any, and in one for each where it goes by the first', async knowsChannels => {
  const peers = await twoPeers(systemClock, { knowsChannels })
  const block = (number: number, code: number, digestBytes = 32): Block => ({ cid: CID.createV1(0x55, createDigest(code, new Uint8Array(digestBytes).fill(number))), bytes: Uint8Array.of(number) })
  const blocks = [block(0, 0x00), block(1, 0xb220), block(2, 0xb220), block(3, 0x00), block(4, 0xb220), block(5, 0x12), block(6, 0x12, 20), block(7, 0x00)]
  await peers.calls.putBlocks(server, eachOf(blocks), noOptions)
  assert.deepEqual(peers.service.blocks.map(({ bytes }) => bytes[0]), knowsChannels ? [0, 1, 2, 3, 4, 5, 6, 7] : [1, 2, 4, 5, 6])
  assert.equal(peers.service.calls.length, knowsChannels ? 1 : 3)
  await peers.calls.putBlocks(server, eachOf([block(0, 0x00)]), noOptions)
  assert.equal(peers.service.calls.length, knowsChannels ? 2 : 3)
  await peers.stop()
})

bothWays('an error of the other peer comes with its text, and as the code that it means', async knowsChannels => {
  const peers = await twoPeers(systemClock, { knowsChannels })
  const { calls, service } = peers
  const cases = [['pin is not part of the pinset', 'NOT_FOUND'], ['IPFS error (pin/ls). Code: 500. Message: x', 'IPFS_ANSWER'], ['something else', 'PEER_ANSWER']] as const
  for (const [text, code] of cases) {
    service.failure = new ClusterError('INTERNAL', text)
    await assert.rejects(calls.status(server, cidOf(1), noOptions), { code, message: text })
    await assert.rejects(Array.fromAsync(calls.recoverAll(server, noOptions)), { code, message: text })
    await assert.rejects(calls.putBlocks(server, eachOf([blockOf(new Uint8Array(9))]), noOptions), { code, message: text })
  }
  assert.equal(peers.warnings.length, 3, 'one for each method')
  await peers.stop()
})

test('statuses before an error are not lost', async () => {
  const peers = await twoPeers(systemClock)
  peers.service.statuses = [[pinInfoOf(1, server)]]
  peers.service.failure = new Error('could not get pinset from IPFS: it is down')
  const got: PinInfo[] = []
  await assert.rejects(async () => { for await (const batch of peers.calls.statusAll(server, 0, noOptions)) got.push(...batch) }, { code: 'IPFS_UNREACHABLE' })
  assert.deepEqual(got, [pinInfoOf(1, server)])
  await peers.stop()
})

bothWays('a peer that is not trusted may do what is open to all and nothing else', async knowsChannels => {
  const peers = await twoPeers(systemClock, { knowsChannels })
  peers.distrusted.add(peers.caller.self)
  assert.equal((await peers.calls.id(server, noOptions)).peername, 'served')
  await assert.rejects(peers.calls.status(server, cidOf(1), noOptions), { code: 'NOT_AUTHORIZED', message: 'client does not have permissions to call PinTracker.Status' })
  await assert.rejects(Array.fromAsync(peers.calls.statusAll(server, 0, noOptions)), { code: 'NOT_AUTHORIZED' })
  await assert.rejects(peers.calls.putBlocks(server, eachOf([blockOf(new Uint8Array(1_000_000))]), noOptions), { code: 'NOT_AUTHORIZED' })
  assert.deepEqual(peers.service.calls, ['id'])
  assert.equal(peers.service.blocks.length, 0)
  await peers.stop()
})

bothWays('a caller that gives up ends the work of the other peer', async knowsChannels => {
  const clock = virtualClock()
  const peers = await twoPeers(clock, { knowsChannels })
  peers.service.isWaiting = true
  const controller = new AbortController()
  const options = { signal: controller.signal }
  const asked = [
    peers.calls.status(server, cidOf(1), options),
    peers.calls.members(server, options),
    Array.fromAsync(peers.calls.statusAll(server, 0, options)),
    peers.calls.putBlocks(server, eachOf([blockOf(new Uint8Array(9))]), options),
  ].map(call => call.then(() => 'answered', (error: unknown) => (error as ClusterError).code))
  await clock.settle()
  assert.equal(peers.service.calls.length, 4)
  controller.abort(new Error('enough'))
  await clock.settle()
  assert.deepEqual(await Promise.all(asked), ['CANCELLED', 'CANCELLED', 'CANCELLED', 'CANCELLED'])
  assert.equal(peers.service.cancelled, 4)
  await peers.stop()
  await clock.settle()
  assert.equal(clock.nextAt(), undefined, 'no timer is left')
})

bothWays('a peer that says nothing is given up after the time of the method', async knowsChannels => {
  const clock = virtualClock()
  const peers = await twoPeers(clock, { knowsChannels })
  peers.service.isWaiting = true
  const asked = peers.calls.status(server, cidOf(1), noOptions).catch((error: unknown) => error)
  const listed = Array.fromAsync(peers.calls.statusAll(server, 0, noOptions)).catch((error: unknown) => error)
  const put = peers.calls.putBlocks(server, eachOf([blockOf(new Uint8Array(9))]), noOptions).catch((error: unknown) => error)
  await clock.advance(14_000)
  assert.equal(peers.service.cancelled, 0)
  await clock.advance(2_000)
  assert.equal(peers.service.cancelled, 1)
  assert.equal((await asked as ClusterError).message, `peer ${server} did not answer PinTracker.Status within 15 seconds`)
  await clock.advance(15 * 60_000)
  assert.equal((await put as ClusterError).code, 'TIMED_OUT')
  assert.equal(peers.service.cancelled, 2, 'a list may be long in coming: whoever asks for it watches the peer')
  await clock.advance(24 * 3_600_000)
  assert.equal((await listed as ClusterError).code, 'TIMED_OUT')
  assert.equal(peers.service.cancelled, 3)
  await peers.stop()
})

test('a destination that takes no blocks is given up; one that fails early is heard while blocks still come', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const block = blockOf(new Uint8Array(1_000_000))
  let asked = 0
  async function * endless (): AsyncGenerator<Block> {
    for (;;) {
      asked++
      yield block
    }
  }
  peers.service.putBlocks = (_, { signal }) => new Promise((_, reject) => { signal?.addEventListener('abort', () => { reject(signal.reason) }) })
  const silent = peers.calls.putBlocks(server, endless(), noOptions).catch((error: unknown) => error)
  await clock.advance(899_000)
  assert.ok(asked < 5, `${asked} blocks for nobody`)
  await clock.advance(2_000)
  assert.match((await silent as ClusterError).message, /has taken nothing for 900 seconds$/)
  peers.service.putBlocks = async () => { throw new Error('the disk is full') }
  const failing = peers.calls.putBlocks(server, endless(), noOptions).catch((error: unknown) => error)
  await clock.settle()
  assert.equal((await failing as ClusterError).message, 'the disk is full')
  await peers.stop()
})

test('blocks whose source fails are not taken for all of them', async () => {
  const peers = await twoPeers(systemClock)
  async function * broken (): AsyncGenerator<Block> {
    yield blockOf(new Uint8Array(10))
    throw new ClusterError('ADD_REFUSED', 'the upload broke off')
  }
  await assert.rejects(peers.calls.putBlocks(server, broken(), noOptions), { code: 'ADD_REFUSED', message: 'the upload broke off' })
  assert.deepEqual(peers.service.calls, [], 'the service has not seen an end')
  await peers.stop()
})

test('a loop over statuses that is left ends the call', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  peers.service.statuses = [[pinInfoOf(1, server)]]
  peers.service.isWaiting = true
  const reading = (async () => { for await (const _ of peers.calls.statusAll(server, 0, noOptions)) return 'left' })()
  await clock.settle()
  assert.equal(await reading, 'left')
  await clock.settle()
  assert.equal(peers.service.cancelled, 1)
  assert.equal(clock.nextAt(), undefined)
  await peers.stop()
})

bothWays('more calls than a peer answers of one caller wait for their turn, with their time and their signal', async knowsChannels => {
  const clock = virtualClock()
  const peers = await twoPeers(clock, { knowsChannels })
  const all = Promise.all(Array.from({ length: 2000 }, (_, number) => peers.calls.status(server, cidOf(number), noOptions)))
  await clock.settle()
  assert.deepEqual((await all).map(({ cid }) => cid), Array.from({ length: 2000 }, (_, number) => cidOf(number)))
  assert.deepEqual(peers.warnings, [])

  peers.service.isWaiting = true
  const stuck = Array.from({ length: 256 }, () => peers.calls.collectGarbage(server, noOptions).catch(() => 'ended'))
  const controller = new AbortController()
  const waiting = peers.calls.status(server, cidOf(1), noOptions).catch((error: unknown) => error)
  const cancelled = peers.calls.status(server, cidOf(1), { signal: controller.signal }).catch((error: unknown) => error)
  await clock.settle()
  controller.abort(new Error('enough'))
  await clock.advance(15_000)
  assert.equal((await cancelled as ClusterError).code, 'CANCELLED')
  assert.match((await waiting as ClusterError).message, /did not get its turn within 15 seconds/)
  await peers.stop()
  await clock.settle()
  assert.deepEqual(new Set(await Promise.all(stuck)), new Set(['ended']))
  assert.equal(clock.nextAt(), undefined)
})
