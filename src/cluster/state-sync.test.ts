import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import { silentLogger } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { TestCluster } from './repair/repair.fixture.ts'
import { Responsibility } from './repair/responsibility.ts'
import { expireLoop, recoverLoop, type UpkeepParts } from './state-sync.ts'

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

/** What a single peer needs for its upkeep; it is responsible for everything. */
async function lonePeer (changes: Partial<UpkeepParts> = {}) {
  const cluster = new TestCluster()
  await cluster.add(1, { followerMode: true })
  const { self, pinset } = cluster.peer(0)
  const clock = virtualClock(cluster.clock.now())
  const told: string[] = []
  const tell = (...all: unknown[]): void => { told.push(String(all.at(-1))) }
  const consensus = { pinset: () => pinset, peers: async () => [self], isTrusted: () => true } as unknown as Consensus
  const parts = { consensus, responsibility: new Responsibility(self), platform: { clock, random: systemRandom, metrics: noMetrics, loggers: { component: () => ({ ...silentLogger, info: tell, warn: tell, error: tell }) } }, unpin: async () => {}, ...changes } as UpkeepParts
  const ending = new AbortController()
  return { cluster, clock, pinset, told, parts, signal: ending.signal, end: async (loop: Promise<void>) => { ending.abort(); await loop; await cluster.stop() } }
}

test('an index of what expires is asked where there is one, and what it lists too soon stays', async () => {
  const unpinned: string[] = []
  const peer = await lonePeer({ unpin: async cid => { unpinned.push(cid) } })
  const [due, later, gone] = [0, 60, 0].map((minutes, n) => peer.cluster.pin(n, [0], { min: 1, max: 1, expireAt: peer.clock.now() + 1_000 + minutes * minute })) as [Cid, Cid, Cid]
  peer.pinset.remove(gone)
  Object.assign(peer.pinset, { async * expired () { yield [gone, later, due] }, list () { throw new Error('not to be read') } })
  const loop = expireLoop(peer.parts, minute, peer.signal)
  await peer.clock.advance(minute)
  assert.deepEqual(unpinned, [due])
  await peer.end(loop)
})

test('an expired pin that cannot be removed holds up no other one and is tried again, one that is gone already is fine', async () => {
  const tried: string[] = []
  const errors = new Map<string, Error>()
  const peer = await lonePeer({ unpin: async cid => {
    tried.push(cid)
    const error = errors.get(cid)
    if (error !== undefined) throw error
  } })
  const [first, second, third] = [0, 1, 2].map(n => peer.cluster.pin(n, [0], { min: 1, max: 1, expireAt: peer.clock.now() + 1_000 })) as [Cid, Cid, Cid]
  errors.set(first, new Error('disk full')).set(second, new ClusterError('NOT_FOUND', 'gone'))
  const loop = expireLoop(peer.parts, minute, peer.signal)
  await peer.clock.advance(2 * minute)
  assert.deepEqual(tried, [first, second, third, first, second, third])
  assert.deepEqual(peer.told.filter(text => !text.startsWith('unpinning')), Array(2).fill('an expired pin could not be removed and is tried again: disk full'))
  peer.pinset.list = () => { throw new Error('no pinset') }
  await peer.clock.advance(minute)
  assert.equal(peer.told.at(-1), 'expired pins could not be removed: no pinset')
  await peer.end(loop)
})

test('what failed or went missing is queued again at once and once an interval, also after a time when that did not work', async () => {
  const triedAt: number[] = []
  const found = [2, 'node down', 0, 1]
  const peer = await lonePeer()
  const begin = peer.clock.now()
  const tracker = { async * recoverAll ({ waitsForRoom }: { waitsForRoom: boolean }) {
    assert.equal(waitsForRoom, true)
    triedAt.push((peer.clock.now() - begin) / minute)
    const next = found.shift()
    if (typeof next === 'string') throw new Error(next)
    for (let n = 0; n < (next ?? 0); n++) yield n
  } } as unknown as UpkeepParts['tracker']
  const loop = recoverLoop({ ...peer.parts, tracker }, 5 * minute, peer.signal)
  await peer.clock.advance(16 * minute)
  assert.deepEqual(triedAt, [0, 5, 10, 15])
  assert.deepEqual(peer.told, ['pins that had failed or gone missing were queued again', 'not all pins could be checked: node down', 'pins that had failed or gone missing were queued again'])
  await peer.end(loop)
  assert.equal(peer.told.length, 3)
})
