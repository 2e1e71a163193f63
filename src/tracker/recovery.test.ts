import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import { TrackerStatus } from '../domain/status.ts'
import { sleep } from '../platform/clock.ts'
import { cidOf, otherPeer, World } from './tracker.fixture.ts'

const elsewhere = { allocations: [otherPeer], replicationFactorMin: 1, replicationFactorMax: 1 }

test('what the node did not take off for other peers is tried again with everything, and nobody is told of it', async () => {
  const world = new World()
  await world.start()
  for (const name of ['a', 'b', 'c']) world.pin(name)
  await world.idle()
  world.ipfs.unpinRefusal = new ClusterError('IPFS_ANSWER', 'locked')
  for (const name of ['a', 'b']) world.pin(name, elsewhere)
  world.pinset.remove(cidOf('c'))
  await world.clock.advance(10_000)
  world.ipfs.unpinRefusal = undefined
  assert.equal(world.ipfs.pins.size, 3)
  const told = await world.whileRunning(Array.fromAsync(world.tracker.recoverAll()))
  assert.deepEqual(told.map(({ cid }) => cid), [cidOf('c')])
  await world.clock.advance(10_000)
  assert.equal(world.ipfs.pins.size, 0)
  await world.stop()
})

test('what the pinset does not tell is an error of the status, not of the question', async () => {
  const world = new World()
  await world.start()
  world.pinset.get = () => Promise.reject(new Error('disk'))
  const { status, error } = await world.whileRunning(world.tracker.status(cidOf('a')))
  assert.deepEqual([status, error], [TrackerStatus.clusterError, 'disk'])
  await world.stop()
})

test('what begins while its status is looked up is told', async () => {
  const world = new World()
  await world.start()
  const get = world.pinset.get.bind(world.pinset)
  world.pinset.get = async cid => {
    const found = await get(cid)
    world.pin('a')
    await sleep(world.clock, 1)
    return found
  }
  assert.equal(await world.status(cidOf('a')), 'pinning')
  await world.stop()
})

test('a node that is back but hangs is asked again, and what waits for it is done', async () => {
  const world = new World()
  await world.start()
  world.ipfs.isDown = true
  const pin = world.pin('a')
  await world.clock.advance(100)
  assert.equal(await world.status(pin.cid), 'pin_error')
  world.ipfs.isDown = false
  world.ipfs.isHung = true
  await world.clock.advance(60_000)
  world.ipfs.isHung = false
  await world.clock.advance(20_000)
  assert.equal(await world.status(pin.cid), 'pinned')
  await world.stop()
})

test('what a node had begun when it went away comes before what came later', async () => {
  const world = new World({ concurrentPins: 1 })
  await world.start()
  world.ipfs.pinMs = 500
  const early = Array.from({ length: 5 }, (_, n) => world.pin(`early ${n}`).cid)
  await world.clock.settle()
  assert.deepEqual(world.ipfs.requests, [early])
  world.ipfs.isDown = true
  const late = Array.from({ length: 5 }, (_, n) => world.pin(`late ${n}`).cid)
  // One after the other fails; it is back before it is asked.
  await world.clock.advance(2_700)
  world.ipfs.isDown = false
  await world.idle()
  assert.deepEqual([...world.ipfs.pins.keys()], [...early, ...late])
  await world.stop()
})

test('a log of changes that cannot be read is read again after pauses that grow to half a minute', async () => {
  const world = new World()
  const begin = world.clock.now()
  const triedAt: number[] = []
  Object.defineProperty(world.pinset, 'failRead', { get: () => new Error('disk'), set: () => { triedAt.push((world.clock.now() - begin) / 1_000) } })
  await world.start()
  await world.clock.advance(100_000)
  assert.deepEqual(triedAt, [0, 1, 3, 7, 15, 31, 61, 91])
  await world.stop()
})

test('what was done before unpins had no room is not done again when they have', async () => {
  const world = new World({ maxUnpinQueueSize: 50 })
  await world.start()
  for (let i = 0; i < 300; i++) world.pin(i)
  await world.idle()
  world.ipfs.pinMs = 10_000
  for (let i = 0; i < 150; i++) world.pinset.remove(cidOf(i))
  const between = world.pin('between')
  for (let i = 150; i < 300; i++) world.pinset.remove(cidOf(i))
  await world.clock.advance(60_000)
  assert.equal(await world.status(between.cid), 'pinned')
  world.ipfs.pinMs = 1
  await world.clock.advance(3_600_000)
  assert.deepEqual([...world.ipfs.pins.keys()], [between.cid])
  assert.equal(world.ipfs.requests.filter(cids => cids.includes(between.cid)).length, 1)
  assert.equal(world.pinset.cursor, world.pinset.last)
  await world.stop()
})

test('a pin that the node refuses is an error, unless it is a direct one of what it has recursively', async () => {
  const world = new World()
  await world.start()
  const recursive = world.pin('a')
  await world.idle()
  for (const name of ['a', 'b']) world.ipfs.content.set(cidOf(name), 'refused')
  const direct = world.pin('b', { maxDepth: 0, mode: 'direct' })
  world.pin('a', { name: 'again' })
  await world.idle()
  assert.deepEqual([await world.status(direct.cid), await world.status(recursive.cid)], ['pin_error', 'pin_error'])
  await world.stop()
})

test('how much the node has pinned is told as it was listed last and grows with what is pinned since', async () => {
  const world = new World()
  const told = (): number | undefined => world.metrics.value('ipfscluster_pins_ipfs_pins')
  await world.start()
  for (let n = 0; n < 3; n++) world.pin(n)
  await world.idle()
  assert.equal(told(), 3)
  world.ipfs.pins.delete(cidOf(0))
  await world.statuses()
  assert.equal(told(), 2)
  world.pin('a')
  await world.idle()
  assert.equal(told(), 3)
  await world.stop()
})
