import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balancedAllocator } from '../allocator/balanced.ts'
import { PinMessage, MetricMessage } from '../codec/messages.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { parseCid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import { peerIdFromBytes } from '../domain/peer-id.ts'
import { defaultPinOptions, pinWithOptions, type Pin, type PinOptions } from '../domain/pin.ts'
import { GossipMonitor } from '../monitor/gossip-monitor.ts'
import { systemClock } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLogger, silentLoggers, type Loggers } from '../platform/logger.ts'
import { loneNetwork } from '../platform/lone-network.ts'
import { memoryStore } from '../platform/memory-store.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { Pinning, type PinningOptions } from './pin.ts'

const platform: Platform = { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const cid = parseCid('bafkreid3wneutgqir3hc5eaf7aznmrzz3kdb7ff6hrv7mkhsfg437l2tem')
const other = parseCid('QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o')

/** One peer with real parts, free space known, alone; it has heard of the free space of `others`, the largest first. */
async function lonePeer (changes: Partial<PinningOptions> = {}, { others = [], trustedPeers = ['*'], loggers = silentLoggers }: { readonly others?: readonly PeerId[], readonly trustedPeers?: ReadonlyArray<PeerId | '*'>, readonly loggers?: Loggers } = {}): Promise<{ pinning: Pinning, consensus: CrdtConsensus, monitor: GossipMonitor, stop: () => Promise<void> }> {
  const network = loneNetwork(self)
  const monitor = new GossipMonitor({ network, codec: MetricMessage, checkIntervalMs: 15_000, platform })
  await monitor.start()
  const consensus = new CrdtConsensus({ self, store: memoryStore(), codec: PinMessage, datastoreNamespace: '/c', trustedPeers, batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform })
  await consensus.start()
  for (const [n, peer] of [self, ...others.toReversed()].entries()) {
    monitor.record({ name: 'freespace', peer, value: '', expire: platform.clock.now() + 600_000, valid: true, weight: 10 + n, partitionable: false, receivedAt: 0 })
  }
  const pinning = new Pinning({ consensus, monitor, allocator: balancedAllocator(['freespace'], platform.random), clock: platform.clock, loggers, options: { replicationFactorMin: -1, replicationFactorMax: -1, followerMode: false, pinOnlyOnTrustedPeers: false, pinOnlyOnUntrustedPeers: false, ...changes } })
  return { pinning, consensus, monitor, stop: async () => { await monitor.stop(); await consensus.stop() } }
}

function peerOf (n: number): PeerId { return peerIdFromBytes(Uint8Array.of(0, 0x24, 8, 1, 0x12, 0x20, ...new Uint8Array(32).fill(n))) }

const options = (changes: Partial<PinOptions> = {}): PinOptions => ({ ...defaultPinOptions, ...changes })

test('a pin without factors gets the configured ones and is everywhere', async () => {
  const { pinning, consensus, stop } = await lonePeer()
  const pin = await pinning.pin(cid, options({ name: 'n' }))
  assert.deepEqual([pin.replicationFactorMin, pin.replicationFactorMax, pin.allocations, pin.maxDepth], [-1, -1, [], -1])
  assert.equal((await consensus.pinset().get(cid))?.name, 'n')
  await stop()
})

test('one replica goes to this peer, two are more than there are', async () => {
  const { pinning, consensus, stop } = await lonePeer()
  assert.deepEqual((await pinning.pin(cid, options({ replicationFactorMin: 1, replicationFactorMax: 1 }))).allocations, [self])
  await assert.rejects(pinning.pin(other, options({ replicationFactorMin: 2, replicationFactorMax: 3 })), { code: 'NOT_ENOUGH_PEERS', message: 'not enough peers to allocate CID. Needed at least: 2. Wanted at most: 3. Available candidates: 1. See logs for more info.' })
  assert.equal(await consensus.pinset().get(other), undefined)
  await stop()
})

test('where there are too few peers, the log tells which could not be chosen and why', async () => {
  const [stranger, mute] = [peerOf(2), peerOf(3)]
  const errors: string[] = []
  const loggers: Loggers = { component: () => ({ ...silentLogger, error: (...told: unknown[]) => { errors.push(String(told.at(-1))) } }) }
  const { pinning, monitor, stop } = await lonePeer({ pinOnlyOnTrustedPeers: true }, { others: [stranger], trustedPeers: [self, mute], loggers })
  for (const peer of [self, stranger, mute]) monitor.record({ name: 'ping', peer, value: '', expire: platform.clock.now() + 600_000, valid: true, weight: 0, partitionable: false, receivedAt: 0 })
  await assert.rejects(pinning.pin(cid, options({ replicationFactorMin: 3, replicationFactorMax: 3 })), { code: 'NOT_ENOUGH_PEERS' })
  assert.equal(errors.length, 1)
  assert.ok(errors[0]?.startsWith(`not enough peers to allocate ${cid}: candidates: ${self}; other peers: `))
  assert.ok(errors[0]?.includes(`${stranger} (not trusted, pin_only_on_trusted_peers)`))
  assert.ok(errors[0]?.includes(`${mute} (tells no freespace)`))
  await stop()
})

test('nor is a holder a candidate, nor a trusted peer where others are to hold pins', async () => {
  const [holder, trusted] = [peerOf(2), peerOf(3)]
  const errors: string[] = []
  const loggers: Loggers = { component: () => ({ ...silentLogger, error: (...told: unknown[]) => { errors.push(String(told.at(-1))) } }) }
  const { pinning, monitor, stop } = await lonePeer({ pinOnlyOnUntrustedPeers: true }, { others: [holder, trusted], trustedPeers: [trusted], loggers })
  for (const peer of [holder, trusted]) monitor.record({ name: 'ping', peer, value: '', expire: platform.clock.now() + 600_000, valid: true, weight: 0, partitionable: false, receivedAt: 0 })
  await pinning.submit({ ...pinWithOptions(cid, options({ replicationFactorMin: 1, replicationFactorMax: 1 }), platform.clock.now()), allocations: [holder] })
  await assert.rejects(pinning.pin(cid, options({ replicationFactorMin: 2, replicationFactorMax: 2 })), { code: 'NOT_ENOUGH_PEERS' })
  assert.ok(errors[0]?.includes(`: candidates: none; other peers: `))
  assert.ok(errors[0]?.includes(`${holder} (holds it already)`))
  assert.ok(errors[0]?.includes(`${trusted} (trusted, pin_only_on_untrusted_peers)`))
  await stop()
})

test('the log names few of very many peers', async () => {
  const errors: string[] = []
  const loggers: Loggers = { component: () => ({ ...silentLogger, error: (...told: unknown[]) => { errors.push(String(told.at(-1))) } }) }
  const { pinning, stop } = await lonePeer({}, { others: Array.from({ length: 149 }, (_, n) => peerOf(n)), loggers })
  await assert.rejects(pinning.allocateBlocks(options({ replicationFactorMin: 151, replicationFactorMax: 151 })), { code: 'NOT_ENOUGH_PEERS' })
  assert.ok(errors[0]?.startsWith('not enough peers to allocate the blocks of an add: candidates: '))
  assert.ok(errors[0]?.endsWith(' and 50 more; other peers: none'))
  await stop()
})

test('pins go to all peers, only to trusted ones, or only to others, as it is configured, also where the user wishes otherwise', async () => {
  const [trusted, stranger] = [peerOf(1), peerOf(2)]
  const holders = async (changes: Partial<PinningOptions>, wish: PeerId): Promise<readonly PeerId[]> => {
    const { pinning, stop } = await lonePeer(changes, { others: [stranger, trusted], trustedPeers: [trusted] })
    try {
      return (await pinning.pin(cid, options({ replicationFactorMin: 1, replicationFactorMax: 3, userAllocations: [wish] }))).allocations ?? []
    } finally {
      await stop()
    }
  }
  assert.deepEqual(await holders({}, self), [self, stranger, trusted])
  assert.deepEqual(await holders({ pinOnlyOnTrustedPeers: true }, stranger), [trusted, self])
  assert.deepEqual(await holders({ pinOnlyOnTrustedPeers: true }, self), [self, trusted])
  assert.deepEqual(await holders({ pinOnlyOnUntrustedPeers: true }, trusted), [stranger])
  await assert.rejects(holders({ pinOnlyOnTrustedPeers: true, pinOnlyOnUntrustedPeers: true }, self), { code: 'NOT_ENOUGH_PEERS' })
})

test('a holder that may not hold any more stays as long as there are enough, and gives way when there are not', async () => {
  const [trusted, stranger] = [peerOf(1), peerOf(2)]
  const { pinning, stop } = await lonePeer({ pinOnlyOnTrustedPeers: true }, { others: [stranger, trusted], trustedPeers: [trusted] })
  await pinning.submit({ ...pinWithOptions(cid, options({ replicationFactorMin: 1, replicationFactorMax: 2 }), platform.clock.now()), allocations: [self, stranger] })
  assert.deepEqual((await pinning.pin(cid, options({ replicationFactorMin: 1, replicationFactorMax: 2 }))).allocations, [self, stranger])
  assert.deepEqual((await pinning.pin(cid, options({ replicationFactorMin: 2, replicationFactorMax: 2 }))).allocations, [self, trusted])
  await stop()
})

test('a shard of so many blocks that it has two levels can be added again', async () => {
  const { pinning, stop } = await lonePeer()
  const shard = (maxDepth: number): Pin => ({ ...pinWithOptions(cid, options({ replicationFactorMin: 1, replicationFactorMax: 1 }), platform.clock.now()), type: 'shard-pin', allocations: [self], maxDepth })
  await pinning.submit(shard(2))
  assert.equal((await pinning.submit(shard(2))).maxDepth, 2)
  await assert.rejects(pinning.submit(shard(-1)), { message: 'must pin shards go depth 1' })
  await stop()
})

test('who has fallen silent gets no pins, whatever room it told of', async () => {
  const [living, dead, unheard] = [peerOf(1), peerOf(2), peerOf(3)]
  const { pinning, monitor, stop } = await lonePeer({}, { others: [dead, living, unheard] })
  const ping = (peer: PeerId, lifeMs: number): void => { monitor.record({ name: 'ping', peer, value: '', expire: platform.clock.now() + lifeMs, valid: true, weight: 0, partitionable: false, receivedAt: 0 }) }
  ping(living, 600_000)
  ping(dead, -1)
  assert.deepEqual((await pinning.pin(cid, options({ replicationFactorMin: 1, replicationFactorMax: 3 }))).allocations, [living, unheard, self])
  await assert.rejects(pinning.pin(other, options({ replicationFactorMin: 4, replicationFactorMax: 4 })), { code: 'NOT_ENOUGH_PEERS' })
  ping(dead, 600_000)
  assert.deepEqual((await pinning.pin(other, options({ replicationFactorMin: 4, replicationFactorMax: 4 }))).allocations, [dead, living, unheard, self])
  await stop()
})

test('impossible factors, a past expiry and a direct pin over a recursive one are refused', async () => {
  const { pinning, stop } = await lonePeer()
  const refused = (changes: Partial<PinOptions>, message: string) => assert.rejects(pinning.pin(cid, options(changes)), { message })
  await refused({ replicationFactorMin: 3, replicationFactorMax: 2 }, 'cluster.replication_factor_min is larger than max')
  await refused({ replicationFactorMin: -2 }, 'cluster.replication_factor_min is wrong')
  await refused({ replicationFactorMin: -3, replicationFactorMax: -2 }, 'cluster.replication_factor_min is wrong')
  await refused({ replicationFactorMax: 2 }, 'cluster.replication_factor_min and max must be -1 when one of them is')
  await refused({ expireAt: 1 }, 'pin.ExpireAt set before current time')
  await pinning.pin(cid, options())
  await refused({ mode: 'direct' }, 'cannot repin a CID which is already pinned in recursive mode (new pin is pinned as direct). Unpin it first.')
  await stop()
})

test('an update copies the old pin, all but a new name and a later expiry', async () => {
  const { pinning, stop } = await lonePeer()
  await pinning.pin(cid, options({ name: 'old', metadata: { a: '1' } }))
  const updated = await pinning.pin(other, options({ pinUpdate: cid, metadata: { b: '2' } }))
  assert.deepEqual([updated.cid, updated.name, updated.metadata, updated.pinUpdate], [other, 'old', { a: '1' }, cid])
  // The pinset keeps seconds.
  const expireAt = Math.ceil(platform.clock.now() / 1_000 + 60) * 1_000
  const renamed = await pinning.pin(other, options({ pinUpdate: cid, name: 'new', expireAt }))
  assert.deepEqual([renamed.name, renamed.expireAt], ['new', expireAt])
  assert.equal((await pinning.pin(cid, options({ pinUpdate: other, expireAt: 1_000 }))).expireAt, expireAt, 'one that has passed is none')
  await assert.rejects(pinning.pin(cid, options({ pinUpdate: parseCid('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy') })), { code: 'NOT_FOUND' })
  await stop()
})

test('parts of sharded content are not updated, and an update to the same CID is an ordinary pin', async () => {
  const { pinning, stop } = await lonePeer()
  await pinning.submit({ ...pinWithOptions(cid, options(), platform.clock.now()), type: 'meta-pin', allocations: [], reference: other })
  await assert.rejects(pinning.pin(other, options({ pinUpdate: cid })), { code: 'PIN_REFUSED', message: 'this pin type cannot be updated' })
  assert.equal((await pinning.pin(other, options({ pinUpdate: other, name: 'n' }))).name, 'n')
  await stop()
})

test('a follower writes nothing', async () => {
  const { pinning, consensus, stop } = await lonePeer({ followerMode: true })
  const refusal = { code: 'FOLLOWER_MODE', message: 'this peer is configured to be in follower mode. Write operations are disabled' }
  await assert.rejects(pinning.pin(cid, options()), refusal)
  await assert.rejects(pinning.pinAllocated(cid, options(), []), refusal)
  await assert.rejects(pinning.submit({ ...pinWithOptions(cid, options(), platform.clock.now()), allocations: [] }), refusal)
  await assert.rejects(pinning.allocateBlocks(options()), refusal)
  assert.equal(consensus.pinset().count(), 0)
  await stop()
})

test('what was added is pinned recursively where its blocks are, whatever mode and factors were asked for', async () => {
  const [first, second] = [peerOf(1), peerOf(2)]
  const { pinning, stop } = await lonePeer({}, { others: [first, second] })
  const added = options({ replicationFactorMin: 1, replicationFactorMax: 1, mode: 'direct', pinUpdate: other })
  const pin = await pinning.pinAllocated(cid, added, [first, second])
  assert.deepEqual([pin.mode, pin.maxDepth, pin.pinUpdate, pin.allocations], ['recursive', -1, undefined, [first, second]])
  assert.deepEqual((await pinning.pinAllocated(other, options(), [first])).allocations, [], 'everywhere is everywhere')
  await stop()
})

test('blocks that are to be everywhere go to every peer that is heard, others to as many as are asked for', async () => {
  const [living, dead, unheard] = [peerOf(1), peerOf(2), peerOf(3)]
  const { pinning, monitor, stop } = await lonePeer({}, { others: [living, unheard] })
  const ping = (peer: PeerId, lifeMs: number): void => { monitor.record({ name: 'ping', peer, value: '', expire: platform.clock.now() + lifeMs, valid: true, weight: 0, partitionable: false, receivedAt: 0 }) }
  ping(self, 600_000)
  ping(living, 600_000)
  ping(dead, -1)
  assert.deepEqual((await pinning.allocateBlocks(options())).toSorted(), [self, living].toSorted())
  assert.deepEqual(await pinning.allocateBlocks(options({ replicationFactorMin: 1, replicationFactorMax: 2 })), [living, unheard])
  await assert.rejects(pinning.allocateBlocks(options({ expireAt: 1 })), { message: 'pin.ExpireAt set before current time' })
  await stop()
})

test('each type of pin can be pinned again as what it is, and as nothing else', async () => {
  const pinOf = (changes: Partial<Pin>): Pin => ({ ...pinWithOptions(cid, options({ mode: 'direct' }), platform.clock.now()), allocations: [], ...changes })
  const good: ReadonlyArray<Partial<Pin>> = [
    { type: 'pin' },
    { type: 'shard-pin', mode: 'recursive', maxDepth: 1 },
    { type: 'clusterdag-pin', maxDepth: 0, reference: other },
    { type: 'meta-pin', reference: other },
  ]
  const bad: ReadonlyArray<readonly [Partial<Pin>, string]> = [
    [{ type: 'pin', reference: other }, 'data pins should not reference other pins'],
    [{ type: 'shard-pin', mode: 'recursive', maxDepth: 0 }, 'must pin shards go depth 1'],
    [{ type: 'shard-pin', mode: 'recursive', maxDepth: 3 }, 'must pin shards go depth 1'],
    [{ type: 'clusterdag-pin', maxDepth: 1, reference: other }, 'must pin roots directly'],
    [{ type: 'clusterdag-pin', maxDepth: 0 }, 'clusterDAG pins should reference a Meta pin'],
    [{ type: 'meta-pin', replicationFactorMin: 1, replicationFactorMax: 1, allocations: [self], reference: other }, 'meta pin should not specify allocations'],
    [{ type: 'meta-pin' }, 'metaPins should reference a ClusterDAG'],
  ]
  for (const first of good) {
    const peer = await lonePeer()
    await peer.pinning.submit(pinOf(first))
    for (const again of good) {
      if (again.type === first.type) await peer.pinning.submit(pinOf(again))
      else await assert.rejects(peer.pinning.submit(pinOf(again)), { code: 'PIN_REFUSED', message: `cannot repin CID with different tracking method, clear state with pin rm to proceed. New: ${again.type}. Was: ${first.type}` })
    }
    for (const [again, message] of bad) if (again.type === first.type) await assert.rejects(peer.pinning.submit(pinOf(again)), { code: 'PIN_REFUSED', message })
    await peer.stop()
  }
})

test('a pin that must be allocated waits for the first metrics, one for all peers does not', async () => {
  const { pinning, stop } = await lonePeer()
  const { promise, resolve } = Promise.withResolvers<void>()
  pinning.allocateAfter(promise)
  const answered: string[] = []
  const one = pinning.pin(cid, options({ replicationFactorMin: 1, replicationFactorMax: 1 })).then(() => { answered.push('one') })
  await pinning.pin(other, options()).then(() => { answered.push('everywhere') })
  resolve()
  await one
  assert.deepEqual(answered, ['everywhere', 'one'])
  await stop()
})
