import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareCids, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { TrackerStatus } from '../domain/status.ts'
import { queueFullText } from './operations.ts'
import { cidOf, otherPeer, self, World } from './tracker.fixture.ts'

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

test('what is moved to others while it is looked up for a recover is not pinned', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('moved')
  await world.idle()
  world.ipfs.pins.delete(pin.cid)
  const read = world.pinset.getMany.bind(world.pinset)
  const { promise: moved, resolve: answer } = Promise.withResolvers<void>()
  world.pinset.getMany = async cids => {
    world.pinset.getMany = read
    const pins = await read(cids)
    await moved
    return pins
  }
  const recovering = world.tracker.recover(pin.cid)
  await world.clock.settle()
  world.pinset.put({ ...pin, replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.clock.until(() => world.pinset.cursor === world.pinset.last, 1_000)
  answer()
  await recovering
  await world.idle()
  assert.deepEqual([...world.ipfs.pins.keys()], [])
  assert.equal(await world.status(pin.cid), 'remote')
  await world.stop()
})

test('whoever asks to recover a great loss is answered at once, with an error when no more can wait', async () => {
  for (const [maxPinQueueSize, lost] of [[1_000_000, 30_000], [3_000, 10_000]] as const) {
    const world = new World({ maxPinQueueSize })
    await world.start()
    for (let i = 0; i < lost; i++) world.pinset.pins.set(cidOf(i), { ...world.pin('template', { timestamp: 0 }), cid: cidOf(i) })
    await world.idle()
    world.ipfs.pinMs = 3_600_000
    const askedAt = world.clock.monotonic()
    let recovered = 0
    const asking = (async () => { for await (const _ of world.tracker.recoverAll()) recovered++ })()
    if (maxPinQueueSize > lost) await world.whileRunning(asking)
    else await assert.rejects(world.whileRunning(asking), { code: 'QUEUE_FULL', message: queueFullText })
    assert.ok(world.clock.monotonic() - askedAt < 60_000, 'no pin was waited for')
    assert.ok(maxPinQueueSize > lost ? recovered === lost : recovered > 1_900 && recovered <= maxPinQueueSize, `${recovered} are queued`)
    await world.stop()
  }
})

test('a patient recovery of a great loss goes on in portions', async () => {
  const world = new World()
  await world.start()
  for (let i = 0; i < 20_000; i++) world.pinset.pins.set(cidOf(i), { ...world.pin('template', { timestamp: 0 }), cid: cidOf(i) })
  await world.idle()
  world.ipfs.pinMs = 0
  let most = 0
  let recovered = 0
  const run = (async () => {
    for await (const _ of world.tracker.recoverAll({ waitsForRoom: true })) {
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

test('figures tell of unpins that are not done, until they are', async () => {
  const world = new World()
  await world.start()
  const pins = Array.from({ length: 3 }, (_, i) => world.pin(i))
  await world.idle()
  const figures = (): Array<number | undefined> => ['unpinning', 'unpin_error'].map(state => world.metrics.value(`ipfscluster_pins_${state}`))
  const [first, ...others] = pins
  for (const { cid } of others) world.pinset.remove(cid)
  if (first !== undefined) world.pinset.put({ ...first, replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.clock.settle()
  assert.deepEqual(figures(), [3, 0], 'also of one that others hold now')
  await world.clock.advance(1_000)
  assert.deepEqual(figures(), [0, 0])
  const pin = world.pin('x')
  await world.idle()
  world.ipfs.isDown = true
  world.pinset.remove(pin.cid)
  await world.clock.advance(20_000)
  assert.deepEqual(figures(), [0, 1])
  world.ipfs.isDown = false
  await world.clock.advance(20_000)
  assert.deepEqual([...figures(), world.ipfs.pins.size], [0, 0, 0])
  await world.stop()
})

test('an unpin that the node refuses is not forgotten by a restart, until it is done or the peer is to hold it again', async () => {
  const world = new World()
  await world.start()
  const [gone, moved, back] = [world.pin('gone'), world.pin('moved'), world.pin('back')]
  await world.idle()
  world.ipfs.unpinRefusal = new ClusterError('IPFS_ANSWER', 'IPFS error (pin/rm). Code: 500. Message: locked')
  world.pinset.remove(gone.cid)
  world.pinset.remove(back.cid)
  world.pin('moved', { allocations: [otherPeer], replicationFactorMin: 1, replicationFactorMax: 1 })
  await world.clock.advance(10_000)
  const noted = async (): Promise<number> => (await Array.fromAsync(world.store.keys({}))).flat().length
  assert.deepEqual([await world.status(gone.cid), await world.status(moved.cid), await noted()], ['unpin_error', 'remote', 3])
  world.pin('back')
  await world.clock.advance(10_000)
  assert.equal(await noted(), 2)
  await world.restart()
  await world.clock.advance(10_000)
  assert.deepEqual([await world.status(gone.cid), await world.status(back.cid)], ['unpin_error', 'pinned'])
  assert.ok(world.ipfs.pins.has(moved.cid))
  world.ipfs.unpinRefusal = undefined
  await world.restart()
  await world.clock.advance(10_000)
  assert.deepEqual([...world.ipfs.pins.keys()], [back.cid])
  assert.deepEqual([await world.status(gone.cid), await world.status(moved.cid), await noted()], ['unpinned', 'remote', 0])
  await world.stop()
})

test('of what a peer is to hold again by the time of its start no unpin is left', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('back')
  await world.idle()
  world.ipfs.unpinRefusal = new ClusterError('IPFS_ANSWER', 'locked')
  world.pinset.remove(pin.cid)
  await world.clock.advance(10_000)
  await world.stop()
  world.pin('back')
  world.ipfs.unpinRefusal = undefined
  await world.restart()
  await world.clock.advance(10_000)
  assert.deepEqual([world.ipfs.pins.has(pin.cid), (await Array.fromAsync(world.store.keys({}))).flat()], [true, []])
  await world.stop()
})

test('an unpin that the configuration does not allow is not tried again after a restart', async () => {
  const world = new World()
  await world.start()
  const pin = world.pin('kept')
  await world.idle()
  world.ipfs.unpinRefusal = new ClusterError('UNSUPPORTED', 'ipfs unpinning is disallowed by configuration on this peer')
  world.pinset.remove(pin.cid)
  await world.clock.advance(10_000)
  assert.equal(await world.status(pin.cid), 'unpin_error')
  const requests = world.ipfs.unpinRequests.length
  await world.restart()
  await world.clock.advance(10_000)
  assert.equal(world.ipfs.unpinRequests.length, requests)
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
    await world.whileRunning(Array.fromAsync(world.tracker.recoverAll({ waitsForRoom: true })))
  }
  await world.idle()
  assert.equal(world.ipfs.pins.size, 200)
  await world.stop()
})

test('a direct pin in place of a recursive one whose unpin did not reach the node is held', async () => {
  const world = new World()
  await world.start()
  const { cid } = world.pin('a')
  await world.idle()
  world.ipfs.isDown = true
  world.pinset.remove(cid)
  await world.clock.advance(20_000)
  world.pin('a', { maxDepth: 0, mode: 'direct' })
  world.ipfs.isDown = false
  await world.clock.advance(20_000)
  assert.equal(await world.status(cid), 'pinned')
  assert.equal(world.metrics.value('ipfscluster_pins_pin_add_errors'), 0)
  world.pinset.remove(cid)
  await world.clock.advance(20_000)
  assert.equal(world.ipfs.pins.size, 0)
  await world.stop()
})

test('where unpinning is disabled an unpin shows that it failed, and nothing is kept of what others hold', async () => {
  const world = new World()
  await world.start()
  world.ipfs.unpinRefusal = new ClusterError('UNSUPPORTED', 'ipfs unpinning is disallowed by configuration on this peer')
  const { cid } = world.pin('gone')
  await world.idle()
  world.pinset.remove(cid)
  for (let i = 0; i < 10; i++) world.pin(i, { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  await world.clock.advance(20_000)
  assert.equal(await world.status(cid), 'unpin_error')
  assert.equal(await world.status(cidOf(3)), 'remote')
  assert.equal(world.metrics.value('ipfscluster_pins_unpin_error'), 1)
  world.ipfs.unpinRequests.length = 0
  await world.whileRunning(Array.fromAsync(world.tracker.recoverAll()))
  await world.clock.advance(20_000)
  assert.deepEqual(world.ipfs.unpinRequests, [[cid]])
  await world.stop()
})

test('the root of sharded content that was pinned as a whole before does not stay pinned', async () => {
  const world = new World()
  await world.start()
  const { cid } = world.pin('a')
  await world.idle()
  world.ipfs.isDown = true
  // A peer that was away learns of the unpin and the new pin at once.
  world.pin('a', { type: 'meta-pin', maxDepth: 0 })
  for (const _ of ['at first', 'after its failure']) {
    await world.clock.advance(20_000)
    assert.equal(await world.status(cid), 'sharded')
    assert.deepEqual((await world.statuses(TrackerStatus.sharded | TrackerStatus.remote)).map(({ status }) => status), [TrackerStatus.sharded])
  }
  world.ipfs.isDown = false
  await world.clock.advance(20_000)
  assert.equal(world.ipfs.pins.size, 0)
  assert.equal(world.pinset.cursor, world.pinset.last)
  await world.stop()
})

test('that the node refused to take the root of sharded content off is not forgotten by a restart', async () => {
  const world = new World()
  await world.start()
  world.pin('a')
  await world.idle()
  world.ipfs.unpinRefusal = new ClusterError('IPFS_ANSWER', 'locked')
  world.pin('a', { type: 'meta-pin', maxDepth: 0 })
  await world.clock.advance(10_000)
  world.ipfs.unpinRefusal = undefined
  await world.restart()
  await world.clock.advance(10_000)
  assert.deepEqual([world.ipfs.pins.size, (await Array.fromAsync(world.store.keys({}))).flat()], [0, []])
  await world.stop()
})

test('new pins do not wait for what others hold where few pins may wait', async () => {
  const world = new World({ maxPinQueueSize: 50 })
  await world.start()
  for (let i = 0; i < 10_000; i++) world.pin(i, { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
  const { cid } = world.pin('a')
  await world.clock.advance(100)
  assert.equal(await world.status(cid), 'pinned')
  await world.stop()
})

test('unpins for which there is no room stay in the log of changes until there is, those of what others hold now too', async () => {
  for (const isMoved of [false, true]) {
    const world = new World({ maxUnpinQueueSize: 50 })
    await world.start()
    for (let i = 0; i < 1_000; i++) world.pin(i)
    await world.idle()
    assert.equal(world.ipfs.pins.size, 1_000)
    world.ipfs.isDown = true
    for (let i = 0; i < 1_000; i++) {
      if (isMoved) world.pin(i, { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] })
      else world.pinset.remove(cidOf(i))
    }
    const late = world.pin('late')
    await world.clock.advance(20_000)
    const waiting = await world.statuses(TrackerStatus.unpinQueued | TrackerStatus.unpinError).catch(() => [])
    assert.ok(waiting.length <= 102, `${waiting.length} wait`)
    await world.restart()
    world.ipfs.isDown = false
    await world.clock.advance(120_000)
    await world.idle()
    assert.deepEqual([...world.ipfs.pins.keys()], [late.cid])
    assert.equal(world.pinset.cursor, world.pinset.last)
    await world.stop()
  }
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
