import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareCids, type Cid } from '../domain/cid.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { statusFromName, TrackerStatus } from '../domain/status.ts'
import { queueFullText } from './operations.ts'
import { cidOf, cidV0Of, otherPeer, self, World } from './tracker.fixture.ts'

const origin = '/ip4/192.0.2.1/tcp/4001' as Multiaddress

test('a pin is started at once when idle, and its log entry is acknowledged when it is done', async () => {
  const world = new World()
  await world.start()
  const { cid } = world.pin('a')
  await world.clock.settle()
  const pinning = await world.tracker.status(cid)
  assert.equal(pinning.status, TrackerStatus.pinning)
  assert.equal(pinning.attemptCount, 1)
  assert.equal(pinning.priorityPin, true)
  assert.deepEqual(world.ipfs.requests, [[cid]])
  assert.equal(world.pinset.cursor, 0)
  await world.idle()
  assert.equal(world.pinset.cursor, 1)
  const pinned = await world.tracker.status(cid)
  assert.deepEqual({ ...pinned, timestamp: 0 }, {
    cid, name: 'a', peer: self, allocations: [], origins: [], created: pinned.created, metadata: null, peername: 'peer-main',
    ipfsPeerId: otherPeer, ipfsPeerAddresses: [], status: TrackerStatus.pinned, timestamp: 0, error: '', attemptCount: 0, priorityPin: false,
  })
  assert.equal(pinned.timestamp, pinned.created, 'a pin without an operation shows the time of the pin')
  assert.equal(world.metrics.value('ipfscluster_pins_pin_add'), 1)
  assert.equal(world.metrics.value('ipfscluster_pins_pin_add_errors'), 0)
  await world.stop()
})

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

test('a failed pin shows its error and attempts until it is recovered', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('x')
  world.ipfs.content.set(pin.cid, 'refused')
  await world.idle()
  const failed = await world.tracker.status(pin.cid)
  assert.equal(failed.status, TrackerStatus.pinError)
  assert.match(failed.error, /block was not found locally/)
  assert.deepEqual([failed.attemptCount, failed.priorityPin, failed.name], [1, true, 'x'])
  assert.equal(world.pinset.cursor, 1)
  await world.clock.advance(7_200_000)
  assert.equal(world.ipfs.requests.length, 1, 'a refusal of the node is not repeated by itself')
  const recovered = await world.tracker.recover(pin.cid)
  assert.deepEqual([recovered.status, recovered.attemptCount, recovered.error], [TrackerStatus.pinQueued, 1, ''])
  await world.idle()
  assert.equal((await world.tracker.status(pin.cid)).attemptCount, 2)
  assert.equal(world.metrics.value('ipfscluster_pins_pin_add_errors'), 2)
  world.ipfs.content.set(pin.cid, 'good')
  await world.tracker.recover(pin.cid)
  await world.idle()
  assert.equal(await world.status(pin.cid), 'pinned')
  const nothing = await world.tracker.recover(pin.cid)
  assert.equal(nothing.status, TrackerStatus.pinned)
  assert.equal((await world.tracker.recover(cidOf('unknown'))).status, TrackerStatus.unpinned)
  assert.equal(world.ipfs.requests.length, 3)
  await world.stop()
})

test('recovering everything reports only what it acted on', async () => {
  const world = new World()
  await world.start()
  const good = world.pin('good')
  const lost = world.pin('lost')
  const refused = world.pin('refused')
  world.ipfs.content.set(refused.cid, 'refused')
  await world.idle()
  world.ipfs.pins.delete(lost.cid)
  const recovered = await world.whileRunning(Array.fromAsync(world.tracker.recoverAll()))
  assert.deepEqual(new Map(recovered.map(info => [info.cid, [info.status, info.attemptCount, info.priorityPin]])),
    new Map([[lost.cid, [TrackerStatus.pinQueued, 0, true]], [refused.cid, [TrackerStatus.pinQueued, 1, true]]].toSorted((a, b) => compareCids(a[0] as Cid, b[0] as Cid)) as never))
  await world.idle()
  assert.deepEqual([world.ipfs.pins.has(lost.cid), world.ipfs.pins.has(good.cid)], [true, true])
  await world.stop()
})

test('recovering a great loss goes on in portions', async () => {
  const world = new World()
  await world.start()
  for (let i = 0; i < 20_000; i++) world.pinset.pins.set(cidOf(i), { ...world.pin('template', { timestamp: 0 }), cid: cidOf(i) })
  await world.idle()
  world.ipfs.pinMs = 0
  let most = 0
  let recovered = 0
  const run = (async () => {
    for await (const _ of world.tracker.recoverAll()) {
      recovered++
      most = Math.max(most, world.tracker.queueSize())
    }
  })()
  await world.whileRunning(run)
  await world.idle()
  assert.equal(recovered, 20_000)
  assert.equal(world.ipfs.pins.size, 20_001)
  assert.ok(most > 10_000 && most <= 17_000, `${most} waited at once`)
  await world.stop()
})

test('an unpin while pinning cancels the request and takes the pin off, in this order', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('x')
  world.ipfs.content.set(pin.cid, 'slow')
  await world.clock.advance(5_000)
  assert.equal(await world.status(pin.cid), 'pinning')
  world.pinset.remove(pin.cid)
  await world.clock.settle()
  assert.equal(await world.status(pin.cid), 'unpinning')
  await world.clock.advance(100)
  assert.equal(await world.status(pin.cid), 'unpinned')
  assert.equal(world.ipfs.pins.size, 0)
  assert.equal(world.pinset.cursor, 2)
  await world.stop()
})

test('a pin that comes back while it is unpinned waits for the end of the unpin', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('x')
  await world.idle()
  world.pinset.remove(pin.cid)
  await world.clock.settle()
  world.pinset.put(pin)
  await world.clock.settle()
  assert.equal(await world.status(pin.cid), 'pin_queued')
  await world.clock.advance(100)
  assert.equal(await world.status(pin.cid), 'pinned')
  assert.equal(world.pinset.cursor, 3)
  await world.stop()
})

test('a pin that becomes recursive while it is made direct is made again', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('x', { maxDepth: 0, mode: 'direct' })
  await world.clock.settle()
  world.pinset.put({ ...pin, maxDepth: -1, mode: 'recursive' })
  await world.idle()
  assert.equal(world.ipfs.pins.get(pin.cid), 'recursive')
  await world.stop()
})

test('a pin that goes to other peers is taken off this one, silently', async () => {
  const world = new World()
  await world.start()
  const pins = Array.from({ length: 300 }, (_, i) => world.pin(i))
  await world.idle()
  for (const pin of pins) world.pinset.put({ ...pin, replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.clock.advance(5_000)
  assert.equal(world.ipfs.pins.size, 0)
  assert.ok(world.ipfs.unpinRequests.length <= 4, 'many in one request')
  assert.equal(await world.status(cidOf(7)), 'remote')
  assert.equal(world.pinset.cursor, 600)
  await world.stop()
})

test('many ordinary pins go in batches, others alone', async () => {
  const world = new World()
  await world.start()
  const alone = world.pin('alone', { origins: [origin] })
  const update = world.pin('update', { pinUpdate: cidOf('old') })
  const direct = world.pin('direct', { maxDepth: 0 })
  for (let i = 0; i < 2_000; i++) world.pin(i)
  await world.idle()
  assert.equal(world.ipfs.pins.size, 2_003)
  assert.ok(world.ipfs.requests.length < 100, `${world.ipfs.requests.length} requests`)
  assert.ok(world.ipfs.requests.every(request => request.length <= 128))
  assert.ok(world.ipfs.requests.some(request => request.length >= 32))
  for (const { cid } of [alone, update, direct]) assert.deepEqual(world.ipfs.requests.filter(request => request.includes(cid)), [[cid]])
  assert.equal(world.ipfs.mostAtOnce, 10)
  await world.stop()
})

test('changes that come in hundreds leave in few large requests when the node is quick', async () => {
  const world = new World()
  await world.start()
  world.ipfs.pinMs = 0
  const comeIn = async (deltas: number, name: string): Promise<void> => {
    for (let delta = 0; delta < deltas; delta++) {
      for (let i = 0; i < 200; i++) world.pin(`${name} ${delta}/${i}`)
      await world.clock.advance(50)
    }
  }
  await comeIn(3, 'to get to know the node')
  world.ipfs.requests.length = 0
  world.ipfs.mostAtOnce = 0
  await comeIn(20, 'then')
  assert.equal(world.ipfs.pins.size, 23 * 200, 'nothing is kept waiting for company')
  assert.ok(world.ipfs.requests.length <= 50, `${world.ipfs.requests.length} requests`)
  assert.equal(world.ipfs.mostAtOnce, 2)
  await world.stop()
})

test('what the node has to fetch is spread over all slots, also right after content that it had', async () => {
  const world = new World()
  await world.start()
  world.ipfs.pinMs = 0
  for (let i = 0; i < 2_000; i++) world.pin(`here ${i}`)
  await world.idle()
  world.ipfs.pinMs = 400
  for (let i = 0; i < 60; i++) world.pin(`elsewhere ${i}`)
  const start = world.clock.now()
  await world.idle()
  assert.ok(world.clock.now() - start < 2_000 + 60 * 400 / 10 + 1_000, `${world.clock.now() - start} ms; one after the other it would be 24,000`)
  world.ipfs.mostAtOnce = 0
  for (let i = 0; i < 60; i++) world.pin(`far away ${i}`)
  await world.clock.settle()
  assert.equal(world.ipfs.mostAtOnce, 10)
  await world.idle()
  await world.stop()
})

for (const [batchTimeMs, who] of [[Infinity, 'the tracker'], [9_000, 'the connector']] as const) test(`a batch in which all is big is taken apart by ${who}, so that an unpin does not wait for it`, async () => {
  const world = new World()
  world.ipfs.batchTimeMs = batchTimeMs
  await world.start()
  for (let i = 0; i < 40; i++) world.ipfs.content.set(world.pin(i).cid, 'slow')
  await world.clock.advance(1)
  assert.ok(world.ipfs.requests.some(request => request.length > 1))
  world.pinset.remove(cidOf(39))
  await world.clock.advance(11_000)
  assert.equal(await world.status(cidOf(39)), 'unpinned')
  await world.idle()
  assert.equal(world.ipfs.pins.size, 39)
  assert.ok(world.ipfs.requests.slice(-20).every(request => request.length === 1))
  await world.stop()
})

for (const [batchStallMs, who] of [[Infinity, 'the tracker'], [2_000, 'the connector']] as const) test(`pins that cannot be reached do not keep the others waiting, ${who} gives up on batches`, async () => {
  const world = new World()
  world.ipfs.batchStallMs = batchStallMs
  await world.start()
  const start = world.clock.now()
  for (let i = 0; i < 1_000; i++) world.ipfs.content.set(world.pin(`bad ${i}`).cid, 'unreachable')
  await world.clock.advance(10)
  for (let i = 0; i < 100; i++) world.pin(`good ${i}`)
  await world.clock.until(() => world.ipfs.pins.size >= 90, 60_000)
  await world.clock.until(() => world.ipfs.pins.size === 100, 300_000)
  assert.ok(world.clock.now() - start < 300_000, 'first in, first out would take 1,000 / 10 × 2 minutes')
  assert.equal(world.pinset.cursor, 1_100, 'the log does not wait for the slow lane')
  // From now on all slots are busy with what hangs: something new takes one away at once.
  await world.clock.advance(1_800_000)
  assert.equal(world.metrics.value('ipfscluster_pins_pinning'), 10)
  for (let i = 0; i < 100; i++) world.pin(`new ${i}`)
  await world.clock.until(() => world.ipfs.pins.size === 200, 1_000)
  assert.equal(world.ipfs.mostAtOnce, 10)
  await world.stop()
})

test('what hangs gets its full time in the end, shows the error, and is tried again with growing pauses', async () => {
  const world = new World({ concurrentPins: 4 })
  await world.start()
  for (let i = 0; i < 30; i++) world.ipfs.content.set(world.pin(`bad ${i}`).cid, 'unreachable')
  await world.clock.until(() => world.metrics.value('ipfscluster_pins_pin_error') === 30, 2 * 3_600_000)
  const [info] = await world.statuses(TrackerStatus.pinError)
  assert.match(info?.error ?? '', /no progress/)
  assert.ok((info?.attemptCount ?? 0) >= 1)
  const before = world.ipfs.requests.length
  await world.clock.advance(3_600_000)
  const firstHour = world.ipfs.requests.length - before
  await world.clock.advance(10 * 3_600_000)
  const later = (world.ipfs.requests.length - before - firstHour) / 10
  assert.ok(firstHour > 30 && later < firstHour, `${firstHour} tries in the first hour, ${later} an hour later`)
  world.ipfs.content.clear()
  await world.clock.advance(2 * 3_600_000)
  assert.equal(world.ipfs.pins.size, 30, 'content that can be reached again is pinned without anybody asking')
  await world.stop()
})

test('a slow download with progress keeps its slot', async () => {
  const world = new World({ concurrentPins: 2 })
  await world.start()
  const slow = world.pin('slow')
  world.ipfs.content.set(slow.cid, 'slow')
  await world.clock.advance(1_500)
  for (let i = 0; i < 300; i++) world.pin(i)
  await world.clock.advance(70_000)
  assert.equal(world.ipfs.pins.size, 301)
  assert.deepEqual(world.ipfs.requests.filter(request => request.includes(slow.cid)), [[slow.cid]], 'asked for once')
  await world.stop()
})

test('with one slot a pin that hangs gives way, too', async () => {
  const world = new World({ concurrentPins: 1 })
  await world.start()
  world.ipfs.content.set(world.pin('bad').cid, 'unreachable')
  await world.clock.advance(1_000)
  world.pin('good')
  await world.clock.until(() => world.ipfs.pins.size === 1, 5_000)
  await world.stop()
})

test('while the node is down one request at a time goes to it, and all is done when it is back', async () => {
  const world = new World()
  await world.start()
  world.ipfs.isDown = true
  const first = world.pin('first')
  await world.clock.settle()
  const info = await world.tracker.status(first.cid)
  assert.equal(info.status, TrackerStatus.pinError)
  assert.equal(info.error, `Post "http://127.0.0.1:5001/api/v0/pin/add?arg=${first.cid}": dial tcp 127.0.0.1:5001: connect: connection refused`)
  assert.equal(info.attemptCount, 1)
  for (let i = 0; i < 5_000; i++) world.pin(i)
  world.pinset.remove(cidOf('gone'))
  await world.clock.advance(600_000)
  assert.ok(world.ipfs.requests.length < 250, `${world.ipfs.requests.length} requests in ten minutes`)
  assert.ok((world.metrics.value('ipfscluster_pins_pin_queued') ?? 0) > 4_700, 'the queue is not burnt into errors')
  assert.equal(world.pinset.cursor, 0, 'nothing of it is forgotten by a restart')
  world.ipfs.isDown = false
  await world.clock.until(() => world.ipfs.pins.size === 5_001, 60_000)
  await world.idle()
  await world.clock.advance(1_000)
  assert.equal(world.pinset.cursor, 5_002)
  assert.deepEqual(await world.statuses(TrackerStatus.error), [])
  await world.stop()
})

test('a pin made while the node is known to be down shows the error within seconds', async () => {
  const world = new World()
  await world.start()
  world.ipfs.isDown = true
  world.pin('a')
  await world.clock.advance(120_000)
  const pin = world.pin('b')
  await world.clock.until(() => world.metrics.value('ipfscluster_pins_pin_error') === 2, 6_000)
  assert.equal(await world.status(pin.cid), 'pin_error')
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

test('after a restart it goes on from its cursor with what was in flight', async () => {
  const world = new World({ concurrentPins: 2 })
  await world.start()
  for (let i = 0; i < 50; i++) world.pin(i)
  await world.idle()
  assert.equal(world.pinset.cursor, 50)
  const big = world.pin('big')
  world.ipfs.content.set(big.cid, 'slow')
  const done = world.pin('done')
  await world.clock.advance(1_000)
  assert.deepEqual([world.ipfs.pins.has(done.cid), world.pinset.cursor], [true, 50], 'what is done behind it waits for the one in flight')
  world.ipfs.requests.length = 0
  await world.restart()
  assert.deepEqual(new Set(world.ipfs.requests.flat()), new Set([big.cid, done.cid]))
  await world.idle()
  assert.equal(world.pinset.cursor, 52)
  world.ipfs.requests.length = 0
  await world.restart()
  await world.clock.advance(1_000)
  assert.deepEqual(world.ipfs.requests, [])
  await world.stop()
})

test('an unpin in flight is not forgotten by a restart, also while the node is down', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('x')
  await world.idle()
  world.ipfs.isDown = true
  world.pinset.remove(pin.cid)
  await world.clock.advance(20_000)
  assert.equal(await world.status(pin.cid), 'unpin_error')
  await world.restart()
  world.ipfs.isDown = false
  await world.clock.advance(20_000)
  assert.equal(world.ipfs.pins.size, 0)
  assert.equal(world.pinset.cursor, 2)
  await world.stop()
})

test('queues are bounded: what does not fit shows the error and is recovered', async () => {
  const world = new World({ maxPinQueueSize: 50, concurrentPins: 1 })
  await world.start()
  world.ipfs.pinMs = 100
  for (let i = 0; i < 200; i++) world.pin(i, { origins: [origin] })
  await world.clock.settle()
  assert.ok(world.tracker.queueSize() <= 51)
  const refused = await world.statuses(TrackerStatus.pinError)
  assert.equal(refused.length, 50)
  assert.ok(refused.every(info => info.error === queueFullText && info.attemptCount === 0))
  for (const { cid } of refused) assert.equal((await world.tracker.recover(cid)).status, TrackerStatus.pinQueued)
  const [forgotten] = await world.statuses(TrackerStatus.unexpectedlyUnpinned)
  await assert.rejects(world.tracker.recover(forgotten?.cid as Cid), { code: 'QUEUE_FULL', message: queueFullText })
  for (let round = 0; round < 6; round++) {
    await world.idle()
    await world.whileRunning(Array.fromAsync(world.tracker.recoverAll()))
  }
  await world.idle()
  assert.equal(world.ipfs.pins.size, 200)
  await world.stop()
})

test('a long queue keeps few pins in memory and reads the others when their turn comes', async () => {
  const world = new World()
  await world.start()
  world.ipfs.pinMs = 0
  for (let i = 0; i < 3_000; i++) world.pin(i)
  await world.idle()
  assert.equal(world.pinset.reads, 0, 'a short queue reads nothing')
  for (let i = 3_000; i < 20_000; i++) world.pin(i)
  const queued = await world.statuses(TrackerStatus.queued)
  assert.ok(queued.every(info => info.name !== ''))
  await world.idle()
  assert.equal(world.ipfs.pins.size, 20_000)
  assert.ok(world.pinset.reads > 0)
  await world.stop()
})

test('a log that cannot be read is read again', async () => {
  const world = new World()
  world.pinset.failRead = new Error('disk')
  await world.start()
  const pin = world.pin('a')
  await world.clock.advance(2_000)
  assert.equal(await world.status(pin.cid), 'pinned')
  assert.equal(world.pinset.cursor, 1)
  await world.stop()
})

test('stopping ends what is in flight, and a stopped tracker starts nothing', async () => {
  const world = new World()
  await world.start()
  world.ipfs.content.set(world.pin('x').cid, 'unreachable')
  await world.clock.advance(1_000)
  const waiting = assert.rejects(Array.fromAsync(world.tracker.recoverAll()), { code: 'CANCELLED' })
  await world.stop()
  await world.tracker.stop()
  await world.whileRunning(waiting)
  world.pin('y')
  await world.clock.advance(600_000)
  assert.equal(world.ipfs.requests.length, 1)
  await assert.rejects(new World().tracker.start(AbortSignal.abort()), { code: 'CANCELLED' })
})
