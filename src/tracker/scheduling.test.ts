import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress } from '../domain/peer.ts'
import { TrackerStatus } from '../domain/status.ts'
import { cidOf, World } from './tracker.fixture.ts'

/* Who gets a slot, with whom and for how long. */

const origin = '/ip4/192.0.2.1/tcp/4001' as Multiaddress

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

/** A tracker with one slot whose node was down and takes pins again, but does not say who it is: what waits is tried one by one. */
async function worldInDoubt (before: (world: World) => Promise<void> = async () => {}): Promise<World> {
  const world = new World({ concurrentPins: 1 })
  await world.start()
  await before(world)
  world.ipfs.isDown = true
  world.pin('parked')
  await world.clock.advance(100)
  world.ipfs.isDown = false
  world.ipfs.isHung = true
  return world
}

/** Lets time go on until the node has been asked once more to pin something. */
async function nextRequest ({ clock, ipfs }: World): Promise<void> {
  const before = ipfs.requests.length
  await clock.until(() => ipfs.requests.length > before, 200_000)
}

test('what has hung before and is tried while nobody knows whether the node is back gives way to others when it is', async () => {
  const world = await worldInDoubt(async before => {
    before.ipfs.content.set(before.pin('bad').cid, 'unreachable')
    await before.clock.until(() => before.metrics.value('ipfscluster_pins_pin_error') === 1, 200_000)
  })
  await nextRequest(world)
  assert.deepEqual(world.ipfs.requests.at(-1), [cidOf('bad')])
  world.ipfs.isHung = false
  world.pin('good')
  await world.clock.until(() => world.ipfs.pins.size === 2, 8_000)
  await world.stop()
})

test('a new pin that is tried while nobody knows whether the node is back goes on when it is', async () => {
  const world = await worldInDoubt()
  world.ipfs.pinMs = 3_000
  const first = world.pin('first')
  await nextRequest(world)
  world.ipfs.isHung = false
  world.pin('second')
  await world.clock.until(() => world.ipfs.pins.size === 3, 20_000)
  assert.deepEqual(world.ipfs.requests.filter(request => request.includes(first.cid)), [[first.cid]], 'asked for once')
  await world.stop()
})
