import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareCids, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import { expectedStatus, statusFromName, TrackerStatus, type PinInfo } from '../domain/status.ts'
import { infoOfPin } from './pin-info.ts'
import { cidOf, cidV0Of, otherPeer, self, World } from './tracker.fixture.ts'

/* What a tracker says of single pins and of all. */

test('statuses of what is not an operation', async () => {
  const world = new World()
  await world.start()
  const remote = world.pin('remote', { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  const meta = world.pin('meta', { type: 'meta-pin' })
  const here = world.pin('here', { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer, self] })
  const lost = world.pin('lost')
  await world.idle()
  await world.clock.advance(100)
  world.ipfs.pins.delete(lost.cid)
  assert.equal(await world.status(remote.cid), 'remote')
  assert.equal(await world.status(meta.cid), 'sharded')
  assert.equal(await world.status(here.cid), 'pinned')
  assert.equal(await world.status(lost.cid), 'unexpectedly_unpinned')
  assert.equal((await world.tracker.status(lost.cid)).error, 'the item should be pinned but it is not')
  const unknown = await world.tracker.status(cidOf('unknown'))
  assert.deepEqual([unknown.status, unknown.name, unknown.allocations, unknown.origins, unknown.created, unknown.timestamp], [TrackerStatus.unpinned, '', null, null, 0, world.clock.now()])
  assert.equal(world.ipfs.requests.flat().includes(meta.cid), false, 'nothing is pinned for a meta pin')
  assert.equal(world.pinset.cursor, 4)
  await world.stop()
})

test('direct and recursive pins are told apart, by one status and by the list', async () => {
  const world = new World()
  await world.start()
  const direct = world.pin('direct', { maxDepth: 0, mode: 'direct' })
  const recursive = world.pin('recursive')
  const onlyDirect = world.pin('only direct')
  const more = world.pin('more than wanted', { maxDepth: 0, mode: 'direct' })
  await world.idle()
  world.ipfs.pins.set(onlyDirect.cid, 'direct')
  world.ipfs.pins.set(more.cid, 'recursive')
  assert.equal(world.ipfs.pins.get(direct.cid), 'direct')
  const expected = new Map<Cid, number>([
    [direct.cid, TrackerStatus.pinned], [recursive.cid, TrackerStatus.pinned], [onlyDirect.cid, TrackerStatus.unexpectedlyUnpinned], [more.cid, TrackerStatus.pinned],
  ])
  for (const [cid, status] of expected) assert.equal((await world.tracker.status(cid)).status, status)
  const listed = await world.statuses()
  assert.deepEqual(new Map(listed.map(info => [info.cid, info.status])), new Map([...expected].toSorted((a, b) => compareCids(a[0], b[0]))))
  await world.stop()
})

test('a listed status counts as expected only where it follows from the pin', async () => {
  const world = new World()
  await world.start()
  const remote = world.pin('remote', { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  const meta = world.pin('meta', { type: 'meta-pin' })
  const here = world.pin('here')
  const lost = world.pin('lost')
  await world.idle()
  world.ipfs.pins.delete(lost.cid)
  const refused = world.pin('refused')
  world.ipfs.isDown = true
  await world.clock.advance(10)
  world.ipfs.isDown = false
  const listed = (await world.whileRunning(Array.fromAsync(world.tracker.listed()))).flat()
  const expected = new Map(listed.map(({ cid, isExpected }) => [cid, isExpected]))
  assert.deepEqual(expected, new Map([[remote.cid, true], [meta.cid, true], [here.cid, true], [lost.cid, false], [refused.cid, false]].toSorted(([a], [b]) => compareCids(a as Cid, b as Cid)) as Array<[Cid, boolean]>))
  for (const { pin, info, isExpected, identity } of listed) {
    if (isExpected) assert.deepEqual(info, infoOfPin(pin as Pin, expectedStatus(pin as Pin, self), '', self, identity))
  }
  await world.stop()
})

test('statuses of a node that is down: what is known, the error for the rest, and it says so', async () => {
  const world = new World()
  await world.start()
  const here = world.pin('here')
  const remote = world.pin('remote', { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.idle()
  await world.clock.advance(1_000)
  world.ipfs.isDown = true
  const failed = world.pin('failed')
  await world.clock.advance(10)
  const seen = new Map<Cid, string>()
  const list = async (filter: number): Promise<void> => {
    for await (const infos of world.tracker.statusAll(filter)) for (const info of infos) seen.set(info.cid, `${info.status} ${info.error}`)
  }
  await assert.rejects(world.whileRunning(list(0)), { code: 'IPFS_UNREACHABLE', message: /^could not get pinset from IPFS: Post ".*connection refused$/ })
  assert.match(seen.get(here.cid) ?? '', /^2 could not get pinset from IPFS: /)
  assert.match(seen.get(failed.cid) ?? '', /^4 Post /)
  assert.equal(seen.get(remote.cid), '256 ')
  const one = await world.tracker.status(here.cid)
  assert.deepEqual([one.status, /^Post ".*connection refused$/.test(one.error), one.name], [TrackerStatus.clusterError, true, 'here'])
  seen.clear()
  await assert.rejects(world.whileRunning(list(TrackerStatus.pinned)))
  assert.equal(seen.size, 0)
  await world.whileRunning(list(TrackerStatus.error))
  assert.deepEqual([...seen.keys()], [failed.cid], 'what only memory tells needs no node')
  await assert.rejects(world.whileRunning(Array.fromAsync(world.tracker.recoverAll())), { code: 'IPFS_UNREACHABLE' })
  await world.stop()
})

test('the status of one pin is the error of a node that is down, also for who may stop asking, and who does gets none', async () => {
  const world = new World()
  await world.start()
  const { cid } = world.pin('here')
  await world.idle()
  const controller = new AbortController()
  const { signal } = controller
  world.ipfs.isDown = true
  const { status, error, name } = await world.tracker.status(cid, { signal })
  assert.deepEqual([status, name], [TrackerStatus.clusterError, 'here'])
  assert.match(error, /connection refused$/)
  world.ipfs.isDown = false
  world.ipfs.isHung = true
  const asked = world.tracker.status(cid, { signal })
  await world.clock.settle()
  controller.abort()
  await assert.rejects(asked, { code: 'CANCELLED' })
  world.ipfs.isHung = false
  await world.stop()
})

test('other work has its turn after each few thousand pins of a list, though the pinset never waits for the disk', async () => {
  const world = new World()
  await world.start()
  for (let n = 0; n < 10_000; n++) world.pin(n, { type: 'meta-pin' })
  await world.idle()
  let listed = 0
  const atTurns: number[] = []
  const listing = (async () => { for await (const infos of world.tracker.statusAll(TrackerStatus.sharded)) listed += infos.length })()
  const takeTurn = (): void => {
    atTurns.push(listed)
    if (listed < 10_000) world.clock.soon(takeTurn)
  }
  world.clock.soon(takeTurn)
  await world.whileRunning(listing)
  await world.clock.settle()
  // The pinset gives a hundred at a time.
  assert.deepEqual(atTurns, [4_100, 8_200, 10_000])
  await world.stop()
})

test('a node that hangs does not hold up the list: what is known is told, with the error', async () => {
  const world = new World()
  await world.start()
  const held = world.pin('held')
  const remote = world.pin('remote', { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.idle()
  world.ipfs.isHung = true
  const infos: PinInfo[] = []
  let failure: unknown
  const listing = (async () => { for await (const step of world.tracker.statusAll(0)) infos.push(...step) })().catch((error: unknown) => { failure = error })
  await world.clock.advance(30_000)
  await listing
  const text = 'could not get pinset from IPFS: the IPFS node does not answer: nothing came for 25 s, and it did not say who it is either'
  assert.deepEqual(new Map(infos.map(({ cid, status, error }) => [cid, [status, error]])), new Map([[held.cid, [TrackerStatus.clusterError, text]], [remote.cid, [TrackerStatus.remote, '']]]))
  assert.ok(failure instanceof ClusterError)
  assert.deepEqual([failure.code, failure.message], ['IPFS_UNREACHABLE', text])
  world.ipfs.isHung = false
  assert.equal((await world.statuses()).find(({ cid }) => cid === held.cid)?.status, TrackerStatus.pinned, 'the next list is a new one')
  await world.stop()
})

test('the list is in the order of the pinset, with unpins that the pinset no longer has', async () => {
  const world = new World({ concurrentPins: 1 })
  await world.start()
  world.ipfs.pinMs = 1_000_000
  const gone = [cidOf('g1'), cidOf('g2'), cidV0Of('g3'), cidV0Of('g4')]
  for (const cid of gone) world.pinset.remove(cid)
  for (let i = 0; i < 250; i++) world.pin(i, i % 3 === 0 ? { cid: cidV0Of(i) } : {})
  await world.clock.settle()
  const all = (await world.statuses()).map(info => info.cid)
  assert.equal(all.length, 254)
  assert.deepEqual(all, all.toSorted(compareCids))
  const queued = (await world.statuses(TrackerStatus.queued | TrackerStatus.pinning | TrackerStatus.unpinning)).map(info => info.cid)
  assert.deepEqual(queued, all)
  const unpins = await world.statuses(TrackerStatus.unpinQueued | TrackerStatus.unpinning)
  assert.deepEqual(unpins.map(info => [info.cid, info.name, info.origins]), gone.toSorted(compareCids).map(cid => [cid, '', null]))
  await world.whileRunning(world.tracker.stop())
})

test('filters answer what they name and ask the node only when they have to', async () => {
  const world = new World()
  await world.start()
  world.pin('pinned')
  const refused = world.pin('refused')
  world.ipfs.content.set(refused.cid, 'refused')
  const lost = world.pin('lost')
  world.pin('meta', { type: 'meta-pin' })
  world.pin('remote', { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.idle()
  await world.clock.advance(100)
  world.ipfs.pins.delete(lost.cid)
  const names = async (...filter: string[]): Promise<string[]> => (await world.statuses(filter.reduce((bits, name) => bits | (statusFromName(name) ?? 0), 0))).map(info => info.name).toSorted()
  assert.deepEqual(await names('error'), ['refused'])
  assert.deepEqual(await names('pin_error', 'queued'), ['refused'])
  assert.deepEqual(await names('sharded'), ['meta'])
  assert.deepEqual(await names('remote', 'sharded'), ['meta', 'remote'])
  assert.equal(world.ipfs.listings, 0)
  assert.deepEqual(await names('pinned'), ['pinned'])
  assert.deepEqual(await names('unexpectedly_unpinned'), ['lost'], 'a pin with an error is not listed a second time as lost')
  assert.deepEqual(await names(), ['lost', 'meta', 'pinned', 'refused', 'remote'])
  assert.equal(world.ipfs.listings, 3)
  const many = await world.whileRunning(Promise.all(Array.from({ length: 5 }, () => Array.fromAsync(world.tracker.statusAll(0)))))
  assert.equal(world.ipfs.listings, 4, 'those who ask at the same time share one list')
  assert.deepEqual(many.map(steps => steps.flat().length), [5, 5, 5, 5, 5])
  await world.stop()
})

test('a pin that is made while the list comes in is not called lost', async () => {
  const world = new World()
  await world.start()
  for (let i = 0; i < 500; i++) world.ipfs.pins.set(cidOf(`other ${i}`), 'recursive')
  const listing = Array.fromAsync(world.tracker.statusAll(0))
  const pin = world.pin('new')
  await world.clock.advance(15)
  assert.equal(await world.status(pin.cid), 'pinned')
  assert.deepEqual((await world.whileRunning(listing)).flat().map(info => info.status), [TrackerStatus.pinned])
  await world.stop()
})

test('who no longer wants the list does not keep it going', async () => {
  const world = new World()
  await world.start()
  for (let i = 0; i < 500; i++) world.ipfs.pins.set(cidOf(i), 'recursive')
  world.pin('a')
  await world.idle()
  const gone = new AbortController()
  const first = Array.fromAsync(world.tracker.statusAll(0, { signal: gone.signal }))
  const second = Array.fromAsync(world.tracker.statusAll(0))
  await world.clock.advance(3)
  gone.abort()
  await assert.rejects(first, { code: 'CANCELLED' })
  assert.equal((await world.whileRunning(second)).flat().length, 1)
  await world.stop()
})
