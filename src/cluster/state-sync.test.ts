import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCluster } from './repair/repair.fixture.ts'

const minute = 60_000

test('each expired pin is removed by one peer, all take part, what has not expired stays', async () => {
  const cluster = new TestCluster()
  await cluster.add(5)
  const expireAt = cluster.clock.now() + minute
  for (let n = 0; n < 60; n++) cluster.pin(n, [0, 1], { min: 1, max: 2, expireAt })
  const later = cluster.pin(100, [0, 1], { min: 1, max: 2, expireAt: expireAt + 60 * minute })
  const never = cluster.pin(101, [0, 1], { min: 1, max: 2 })
  await cluster.clock.advance(30 * minute)
  assert.equal(cluster.unpins.length, 60)
  assert.equal(new Set(cluster.unpins.map(({ cid }) => cid)).size, 60)
  assert.equal(new Set(cluster.unpins.map(({ by }) => by)).size, 5)
  assert.deepEqual([...cluster.peer(0).pinset.pins.keys()].toSorted(), [later, never].toSorted())
  await cluster.stop()
})

test('what a responsible peer does not remove the next one does, also when all peers have just started', async () => {
  const cluster = new TestCluster()
  await cluster.add(3)
  await cluster.add(1, { followerMode: true })
  for (let n = 0; n < 60; n++) cluster.pin(n, [0, 1], { min: 1, max: 2, expireAt: cluster.clock.now() - 1_000 * minute })
  await cluster.clock.advance(6 * minute)
  const first = cluster.unpins.length
  assert.ok(first > 20 && first < 60, `${first} in time`)
  await cluster.clock.advance(20 * minute)
  assert.equal(cluster.unpins.length, 60)
  await cluster.stop()
})

test('what is pinned anew while expired pins before it are being removed stays', async () => {
  const cluster = new TestCluster()
  await cluster.add(1)
  cluster.unpinMs = minute
  const expireAt = cluster.clock.now() + minute
  const [first, second] = [0, 1].map(n => cluster.pin(n, [0], { min: 1, max: 1, expireAt }))
  await cluster.clock.until(() => cluster.unpins.length === 1, 30 * minute)
  const again = cluster.unpins[0]?.cid === first ? 1 : 0
  cluster.pin(again, [0], { min: 1, max: 1, expireAt: expireAt + 1_000 * minute })
  await cluster.clock.advance(30 * minute)
  assert.deepEqual([...cluster.peer(0).pinset.pins.keys()], [again === 1 ? second : first])
  assert.equal(cluster.unpins.length, 1)
  await cluster.stop()
})

test('nor goes what has not expired by a clock that is set right meanwhile', async () => {
  const cluster = new TestCluster()
  await cluster.add(1)
  cluster.unpinMs = minute
  for (const n of [0, 1]) cluster.pin(n, [0], { min: 1, max: 1, expireAt: cluster.clock.now() + 60 * minute })
  cluster.peer(0).wallOffsetMs = 120 * minute
  await cluster.clock.until(() => cluster.unpins.length === 1, 30 * minute)
  cluster.peer(0).wallOffsetMs = 0
  await cluster.clock.advance(30 * minute)
  assert.equal(cluster.unpins.length, 1)
  await cluster.clock.advance(30 * minute)
  assert.equal(cluster.unpins.length, 2)
  await cluster.stop()
})

test('a peer whose clock is set far ahead does not take at once what others are responsible for', async () => {
  const cluster = new TestCluster()
  await cluster.add(5)
  await cluster.clock.advance(10 * 60 * minute)
  for (let n = 0; n < 60; n++) cluster.pin(n, [0, 1], { min: 1, max: 2, expireAt: cluster.clock.now() + 1_000 * 60 * minute })
  cluster.peer(0).wallOffsetMs = 2_000 * 60 * minute
  await cluster.clock.advance(12 * minute)
  assert.ok(cluster.unpins.length > 0 && cluster.unpins.length < 30, `${cluster.unpins.length} of 60`)
  cluster.peer(0).wallOffsetMs = 0
  const removed = cluster.unpins.length
  await cluster.clock.advance(60 * minute)
  assert.equal(cluster.unpins.length, removed)
  await cluster.stop()
})
