import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cid } from '../../domain/cid.ts'
import type { Pin } from '../../domain/pin.ts'
import { TestCluster } from './repair.fixture.ts'

const minute = 60_000

/** Peers that have heard each other. */
async function clusterOf (count: number): Promise<TestCluster> {
  const cluster = new TestCluster()
  await cluster.add(count)
  await cluster.clock.advance(20_000)
  return cluster
}

test('the pins of a peer that dies are moved within a minute, each by one peer, where too few holders are left', async () => {
  const cluster = await clusterOf(5)
  const short = Array.from({ length: 40 }, (_, n) => cluster.pin(n, [0, 1], { min: 2, max: 3 }))
  const enough = cluster.pin(1_000, [0, 1, 2], { min: 2, max: 3 })
  const elsewhere = cluster.pin(1_001, [2, 3], { min: 2, max: 3 })
  const expired = cluster.pin(1_002, [0, 1], { min: 2, max: 3, expireAt: cluster.clock.now() + 1_000 })
  // Time that has run out for one content says nothing of another one that lies on the same shard.
  const shared = cluster.pin(1_003, [0, 1], { min: 2, max: 3, expireAt: cluster.clock.now() + 1_000, type: 'shard-pin' })
  await cluster.peer(0).kill()
  await cluster.clock.advance(minute)
  for (const { alerts } of cluster.peers.slice(1)) assert.deepEqual(alerts.list().map(({ name, peer }) => [name, peer]).toSorted(), [['freespace', ...cluster.ids(0)], ['ping', ...cluster.ids(0)]])
  for (const cid of [...short, shared]) {
    const holders = cluster.holders(cid)
    assert.equal(holders.length, 3)
    assert.ok(holders.includes(1) && !holders.includes(0))
  }
  assert.deepEqual([enough, elsewhere, expired].map(cid => cluster.holders(cid)), [[0, 1, 2], [2, 3], [0, 1]])
  assert.equal(cluster.moves.length, 41, 'each once')
  assert.equal(new Set(cluster.moves.map(({ by }) => by)).size, 4, 'all take part')
  for (const { self, metrics } of cluster.peers.slice(1)) assert.equal(metrics.value('ipfscluster_pins_repinned'), cluster.moves.filter(({ by }) => by === self).length)
  await cluster.clock.advance(2 * minute)
  assert.deepEqual(cluster.peers.map(({ repair }) => repair?.degraded()), Array(5).fill(0))
  assert.equal(cluster.moves.length, 41, 'and not again')
  assert.deepEqual(cluster.warnings, [], 'all in order')
  await cluster.stop()
})

test('a blip of half a minute moves nothing, whenever it comes', async () => {
  for (let offset = 0; offset < 15_000; offset += 2_500) {
    const cluster = await clusterOf(4)
    for (let n = 0; n < 20; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
    await cluster.clock.advance(offset)
    await cluster.peer(0).disconnect()
    await cluster.clock.advance(30_000)
    await cluster.peer(0).connect()
    await cluster.clock.advance(10 * minute)
    assert.deepEqual(cluster.moves, [])
    await cluster.stop()
  }
})

test('a peer that comes back keeps what was not moved yet, also in the middle of the work', async () => {
  const cluster = await clusterOf(4)
  for (let n = 0; n < 3_000; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(65_000)
  const counted = (): number => cluster.peers.slice(1).reduce((sum, { metrics }) => sum + (metrics.value('ipfscluster_pins_repinned') ?? 0), 0)
  assert.equal(counted(), cluster.moves.length, 'as they are moved: it may go on for hours')
  await cluster.peer(0).start()
  await cluster.clock.settle()
  const before = cluster.moves.length
  assert.ok(before > 300 && before < 3_000)
  await cluster.clock.advance(10 * minute)
  assert.equal(cluster.moves.length, before)
  assert.equal(counted(), before)
  const told = cluster.informations.flatMap(text => /^repinned out of .*: (\d+) pins$/.exec(text)?.[1] ?? [])
  assert.equal(told.reduce((sum, count) => sum + Number(count), 0), before)
  await cluster.stop()
})

test('a peer whose metrics get lost but that answers keeps its pins', async () => {
  const cluster = await clusterOf(4)
  cluster.pin(1, [0, 1], { min: 2, max: 2 })
  cluster.peer(0).isUnheard = true
  await cluster.clock.advance(10 * minute)
  assert.equal(cluster.peer(1).alerts.list().length, 2)
  assert.deepEqual(cluster.moves, [])
  await cluster.stop()
})

test('that a peer lives which is not heard is told once an hour, and again when it is not heard once more', async () => {
  const cluster = await clusterOf(2)
  cluster.pin(1, [0, 1], { min: 2, max: 2 })
  cluster.peer(0).isUnheard = true
  await cluster.clock.advance(50 * minute)
  const told = `peer ${cluster.peer(0).self} is not heard here but lives: its pins stay where they are`
  assert.deepEqual(cluster.informations, [told])
  await cluster.clock.advance(60 * minute)
  assert.deepEqual(cluster.informations, [told, told])
  cluster.peer(0).isUnheard = false
  await cluster.clock.advance(minute)
  cluster.peer(0).isUnheard = true
  await cluster.clock.advance(5 * minute)
  assert.deepEqual(cluster.informations, [told, told, told])
  await cluster.stop()
})

test('a peer that one other cannot reach, but the rest can, keeps its pins', async () => {
  const cluster = await clusterOf(5)
  for (let n = 0; n < 20; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  cluster.peer(2).cutFrom.add(cluster.peer(0).self)
  await cluster.clock.advance(10 * minute)
  assert.ok(cluster.peer(2).alerts.list().length > 0)
  assert.deepEqual(cluster.moves, [])
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  assert.equal(cluster.moves.length, 20, 'and loses them when it is gone')
  await cluster.stop()
})

test('one that is taken for gone but answers again keeps what it has left', async () => {
  const cluster = await clusterOf(3)
  cluster.pin(1, [0, 1, 2], { min: 3, max: 3 })
  await cluster.peer(0).disconnect()
  await cluster.clock.advance(2 * minute)
  cluster.peer(0).isUnheard = true
  await cluster.peer(0).connect()
  await cluster.add(1)
  await cluster.clock.advance(15 * minute)
  assert.deepEqual(cluster.moves, [])
  await cluster.stop()
})

for (const minutes of [1, 5]) test(`a peer that stood still for ${minutes} min holds nobody silent for that time`, async () => {
  const cluster = await clusterOf(5)
  for (let n = 0; n < 20; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  cluster.peer(2).isPaused = true
  await cluster.clock.advance(minutes * minute)
  await cluster.peer(0).kill()
  await cluster.clock.advance(10_000)
  cluster.peer(2).resume()
  await cluster.clock.advance(20_000)
  await cluster.peer(0).start()
  await cluster.clock.advance(10 * minute)
  assert.deepEqual(cluster.moves, [])
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  assert.equal(cluster.moves.length, 20)
  await cluster.stop()
})

test('one that answers again in the middle of the work keeps the rest, though nobody hears it', async () => {
  const cluster = await clusterOf(4)
  for (let n = 0; n < 10_000; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).disconnect()
  await cluster.clock.advance(65_000)
  cluster.peer(0).isUnheard = true
  await cluster.peer(0).connect()
  await cluster.clock.advance(10 * minute)
  assert.ok(cluster.moves.length > 300 && cluster.moves.length < 8_000, `${cluster.moves.length} were moved`)
  await cluster.stop()
})

test('a peer that one other does not hear is no more gone for it when it is away for a moment', async () => {
  for (let offset = 0; offset < 30_000; offset += 5_000) {
    const cluster = await clusterOf(5)
    for (let n = 0; n < 20; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
    cluster.peer(2).cutFrom.add(cluster.peer(0).self)
    await cluster.clock.advance(2 * minute + offset)
    await cluster.peer(0).kill()
    await cluster.clock.advance(14_000)
    assert.deepEqual(cluster.moves, [])
    await cluster.clock.advance(2 * minute)
    assert.equal(cluster.moves.length, 20)
    await cluster.stop()
  }
})

test('that one peer still hears who is dead holds the repair up for minutes at most', async () => {
  const cluster = await clusterOf(5)
  for (let n = 0; n < 20; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  for (const n of [2, 3, 4]) cluster.peer(n).believe(cluster.peer(0).self)
  await cluster.clock.advance(2 * minute)
  assert.deepEqual(cluster.moves, [])
  await cluster.clock.advance(minute)
  assert.ok(cluster.moves.length > 0)
  await cluster.stop()
})

test('a death costs few questions: nobody asks all its members for one that it does not hear', async () => {
  const cluster = await clusterOf(5)
  cluster.pin(1, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  assert.equal(cluster.moves.length, 1)
  assert.deepEqual(cluster.membersAsked, [])
  await cluster.stop()
})

test('a peer that hangs loses its pins', async () => {
  const cluster = await clusterOf(4)
  const cid = cluster.pin(1, [0, 1], { min: 2, max: 2 })
  cluster.peer(0).isUnheard = true
  cluster.peer(0).isMute = true
  await cluster.clock.advance(minute + 15_000)
  assert.equal(cluster.moves.length, 1)
  assert.ok(!cluster.holders(cid).includes(0))
  await cluster.stop()
})

test('two that die at once are repaired at once, those included for which the other was responsible', async () => {
  const cluster = await clusterOf(6)
  const cids = Array.from({ length: 60 }, (_, n) => cluster.pin(n, n % 2 === 0 ? [0, 1, 2] : [n % 4 === 1 ? 0 : 1, 3], { min: 2, max: 3 }))
  await Promise.all([cluster.peer(0).kill(), cluster.peer(1).kill()])
  await cluster.clock.advance(70_000)
  for (const cid of cids) {
    const holders = cluster.holders(cid).filter(holder => holder > 1)
    assert.equal(holders.length, 3)
  }
  assert.equal(cluster.moves.length, 60)
  await cluster.stop()
})

test('who is gone is responsible for nothing, though it may be a member', async () => {
  const cluster = await clusterOf(5)
  cluster.keepsMembers = true
  const cids = Array.from({ length: 60 }, (_, n) => cluster.pin(n, [0, 1], { min: 2, max: 2 }))
  await Promise.all([cluster.peer(0).kill(), cluster.peer(2).kill()])
  cluster.pin(100, [2, 1], { min: 2, max: 2 })
  await cluster.clock.advance(minute)
  for (const cid of cids) assert.ok(cluster.holders(cid).every(holder => holder !== 0 && holder !== 2))
  await cluster.stop()
})

test('one that dies while another is repaired is repaired too, and its share of the work is done by others', async () => {
  const cluster = await clusterOf(5)
  const cids = Array.from({ length: 2_000 }, (_, n) => cluster.pin(n, [0, 1], { min: 2, max: 2 }))
  await cluster.peer(0).kill()
  await cluster.clock.advance(65_000)
  await cluster.peer(2).kill()
  await cluster.clock.advance(5 * minute)
  for (const cid of cids) assert.ok(cluster.holders(cid).every(holder => holder !== 0 && holder !== 2))
  await cluster.stop()
})

test('what a responsible peer does not do the next one does', async () => {
  const cluster = new TestCluster()
  await cluster.add(2)
  await cluster.add(2, { isPassive: true })
  await cluster.add(1, { followerMode: true })
  await cluster.clock.advance(20_000)
  const cids = Array.from({ length: 100 }, (_, n) => cluster.pin(n, [0, 1], { min: 2, max: 2 }))
  await cluster.peer(0).kill()
  await cluster.clock.advance(minute)
  const own = cluster.moves.length
  assert.ok(own > 5 && own < 60, `${own} of its own`)
  await cluster.clock.advance(3 * minute)
  for (const cid of cids) assert.ok(!cluster.holders(cid).includes(0))
  assert.equal(cluster.moves.length, 100)
  assert.deepEqual([...new Set(cluster.moves.map(({ by }) => by))], cluster.ids(1))
  await cluster.stop()
})

test('a peer that repins later by its own settings is given that time: the others move what is theirs', async () => {
  for (const settings of [{ repinGracePeriodMs: 30 * minute }, { changesHeldMs: 29 * minute }]) {
    const cluster = new TestCluster()
    await cluster.add(1)
    await cluster.add(3, { ...settings, isPassive: 'changesHeldMs' in settings })
    await cluster.add(1)
    await cluster.clock.advance(20_000)
    const cids = Array.from({ length: 100 }, (_, n) => cluster.pin(n, [4, 1 + n % 3], { min: 2, max: 2 }))
    await cluster.peer(4).kill()
    await cluster.clock.advance(2 * minute)
    const own = cluster.moves.length
    assert.ok(own > 0 && own < 50, `${own} moves`)
    const asked = cluster.peer(0).pinset.timesAsked
    await cluster.clock.advance(25 * minute)
    assert.ok(cluster.peer(0).pinset.timesAsked - asked < 20, 'it goes through all pins of the peer a few times meanwhile')
    assert.equal(cluster.moves.length, own)
    assert.deepEqual(cluster.warnings.filter(text => text.includes('does not repin')), [])
    // Those that could have been seen by then, had they been made, are made by who is next.
    await cluster.clock.advance(15 * minute)
    for (const cid of cids) assert.ok(!cluster.holders(cid).includes(4))
    assert.equal(cluster.warnings.some(text => text.includes('does not repin')), 'changesHeldMs' in settings)
    await cluster.stop()
  }
})

test('ten thousand pins are moved at a bounded pace', async () => {
  const cluster = await clusterOf(5)
  for (let n = 0; n < 10_000; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  const bySecond = new Map<string, number>()
  for (const { by, at } of cluster.moves) {
    const second = `${by} ${Math.floor(at / 1_000)}`
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1)
  }
  assert.ok(Math.max(...bySecond.values()) <= 101, 'a burst and what a second allows')
  assert.equal(cluster.moves.length, 10_000)
  assert.equal(new Set(cluster.moves.map(({ pin }) => pin.cid)).size, 10_000)
  await cluster.stop()
})

test('pins that lack holders are counted while the first round over them goes on', async () => {
  const cluster = await clusterOf(4)
  for (let n = 0; n < 6_000; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  await cluster.clock.until(() => cluster.moves.length > 1_500, 5 * minute)
  for (const { repair } of cluster.peers.slice(1)) assert.ok((repair?.degraded() ?? 0) > 100)
  await cluster.clock.advance(10 * minute)
  assert.deepEqual(cluster.peers.slice(1).map(({ repair }) => repair?.degraded()), [0, 0, 0])
  await cluster.stop()
})

test('with repinning disabled there are alerts and a count, but no moves', async () => {
  const cluster = new TestCluster()
  await cluster.add(4, { disableRepinning: true })
  await cluster.clock.advance(20_000)
  for (let n = 0; n < 7; n++) cluster.pin(n, [0, 1], { min: 2, max: 2 })
  cluster.pin(8, [0, 1, 2], { min: 2, max: 3 })
  await cluster.peer(0).kill()
  await cluster.peer(1).kill()
  await cluster.clock.advance(10 * minute)
  assert.equal(cluster.peer(2).alerts.list().length, 4)
  assert.equal(cluster.peer(2).repair?.degraded(), 8, 'those with two dead holders count once')
  assert.deepEqual(cluster.moves, [])
  await cluster.peer(2).repair?.vacate(cluster.peer(3).self)
  assert.match(cluster.warnings.at(-1) ?? '', /repinning is disabled. Will not re-allocate cids from/)
  await cluster.stop()
})

test('pins for which there is nobody are counted, and moved once each when somebody comes', async () => {
  const cluster = await clusterOf(3)
  const cids = Array.from({ length: 50 }, (_, n) => cluster.pin(n, [0, 1, 2], { min: 3, max: 3 }))
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  assert.deepEqual(cluster.peers.slice(1).map(({ repair }) => repair?.degraded()), [50, 50])
  assert.match(cluster.warnings.join('\n'), /fewer holders than their replication_factor_min since peer .* is gone: 50\b/)
  await cluster.clock.advance(60 * minute)
  await cluster.add(2)
  // The newcomers do not know yet that the peer is gone: what falls to them is left to the next after a minute, or two.
  await cluster.clock.advance(4 * minute)
  for (const cid of cids) assert.match(cluster.holders(cid).join(), /^1,2,[34]$/)
  assert.equal(cluster.moves.length, 50)
  await cluster.clock.advance(2 * minute)
  assert.deepEqual(cluster.peers.slice(1).map(({ repair }) => repair?.degraded()), [0, 0, 0, 0])
  await cluster.stop()
})

test('a peer that is cut off moves nothing; a part that is cut off waits', async () => {
  const cluster = await clusterOf(7)
  for (let n = 0; n < 100; n++) cluster.pin(n, [n % 7, (n + 1) % 7], { min: 2, max: 2 })
  await Promise.all(cluster.peers.slice(2).map(peer => peer.disconnect()))
  await cluster.clock.advance(8 * minute)
  await Promise.all(cluster.peers.slice(2).map(peer => peer.connect()))
  await cluster.clock.advance(10 * minute)
  assert.deepEqual(cluster.moves, [])
  await cluster.stop()
})

test('a peer that starts again finds who is gone and goes on', async () => {
  const cluster = await clusterOf(3)
  const cids = Array.from({ length: 3_000 }, (_, n) => cluster.pin(n, [0], { min: 1, max: 1 }))
  await cluster.peer(0).kill()
  await cluster.clock.advance(62_000)
  await cluster.peer(1).kill()
  await cluster.peer(2).kill()
  const before = cluster.moves.length
  assert.ok(before > 0 && before < 3_000)
  await cluster.peer(1).start()
  await cluster.peer(2).start()
  // Once more before it is certain of anything.
  await cluster.clock.advance(20_000)
  for (const index of [1, 2]) {
    await cluster.peer(index).kill()
    await cluster.peer(index).start()
  }
  await cluster.clock.advance(3 * minute)
  for (const cid of cids) assert.ok(!cluster.holders(cid).includes(0))
  assert.equal(cluster.moves.length, 3_000)
  await cluster.stop()
})

test('who died while this peer was down is found by its pins', async () => {
  const cluster = await clusterOf(4)
  const cid = cluster.pin(1, [0, 1], { min: 2, max: 2 })
  await Promise.all(cluster.peers.map(peer => peer.kill()))
  for (const index of [1, 2, 3]) await cluster.peer(index).start()
  await cluster.clock.advance(4 * minute)
  assert.deepEqual(cluster.moves, [], 'it may still be starting')
  await cluster.clock.advance(3 * minute)
  assert.ok(!cluster.holders(cid).includes(0))
  await cluster.stop()
})

for (const count of [60, 3_000]) test(`who died and has lost all ${count} pins by now is not known for dead at the next start but one`, async () => {
  const cluster = await clusterOf(4)
  for (let n = 0; n < count; n++) cluster.pin(n, [0], { min: 1, max: 1 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(62_000)
  assert.equal(cluster.moves.length === count, count === 60, 'of many the last are moved after the first start')
  await cluster.peer(1).kill()
  await cluster.peer(1).start()
  await cluster.clock.advance(15 * minute)
  assert.equal(cluster.moves.length, count)
  await cluster.peer(1).kill()
  // It comes back while one of the others does not hear it, and is the last to start when all are started again.
  await cluster.peer(0).start()
  const cids = Array.from({ length: 60 }, (_, n) => cluster.pin(count + n, [0], { min: 1, max: 1 }))
  await cluster.clock.advance(20_000)
  await Promise.all(cluster.peers.map(peer => peer.kill()))
  for (const index of [1, 2, 3]) await cluster.peer(index).start()
  await cluster.clock.advance(3 * minute)
  await cluster.peer(0).start()
  await cluster.clock.advance(10 * minute)
  assert.deepEqual(cids.map(cid => cluster.holders(cid)), cids.map(() => [0]))
  await cluster.stop()
})

test('vacate moves what a peer leaves behind short of holders, at once and by whoever is asked', async () => {
  const cluster = await clusterOf(4)
  const short = Array.from({ length: 700 }, (_, n) => cluster.pin(n, [0, 1], { min: 2, max: 2 }))
  const enough = cluster.pin(1_000, [0, 1, 2], { min: 2, max: 3 })
  const vacating = cluster.peer(3).repair?.vacate(cluster.peer(0).self)
  const removed = short.pop() as Cid
  cluster.peer(3).pinset.remove(removed)
  await vacating
  assert.ok(!cluster.peer(3).pinset.pins.has(removed), 'what is removed meanwhile stays so')
  await cluster.clock.advance(1_000)
  for (const cid of short) assert.ok(!cluster.holders(cid).includes(0) && cluster.holders(cid).length === 2)
  assert.deepEqual(cluster.holders(enough), [0, 1, 2])
  assert.deepEqual([...new Set(cluster.moves.map(({ by }) => by))], cluster.ids(3))
  assert.equal(cluster.peer(3).metrics.value('ipfscluster_pins_repinned'), cluster.moves.length)
  await cluster.stop()
})

test('vacate leaves where it is what there is nobody else for, and tells how much that is', async () => {
  const cluster = await clusterOf(3)
  const full = cluster.pin(1, [0, 1, 2], { min: 3, max: 3 })
  const short = cluster.pin(2, [0, 1], { min: 2, max: 2 })
  await cluster.peer(1).repair?.vacate(cluster.peer(0).self)
  await cluster.clock.advance(1_000)
  assert.deepEqual([cluster.holders(full), cluster.holders(short).toSorted()], [[0, 1, 2], [1, 2]])
  assert.deepEqual(cluster.warnings, [`pins that stay with peer ${cluster.peer(0).self} because there are not enough others: 1`])
  await cluster.stop()
})

test('pins of old versions, which have no factors of their own, get those that are configured', async () => {
  const cluster = await clusterOf(4)
  const lone = cluster.pin(1, [0], { min: 0, max: 0 })
  const held = cluster.pin(2, [0, 1], { min: 0, max: 0 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  assert.deepEqual(cluster.holders(held), [0, 1], 'one holder is enough')
  const holders = cluster.holders(lone)
  assert.equal(holders.length, 2)
  assert.ok(!holders.includes(0))
  const { replicationFactorMin, replicationFactorMax } = cluster.peer(1).pinset.pins.get(lone) as Pin
  assert.deepEqual([replicationFactorMin, replicationFactorMax], [1, 2])
  await cluster.stop()
})

test('vacate does not rely on holders that are silent, nor takes anything from them', async () => {
  const cluster = await clusterOf(5)
  const alone = cluster.pin(1, [0, 1], { min: 1, max: 2 })
  const full = cluster.pin(2, [0, 1], { min: 2, max: 2 })
  await Promise.all(cluster.peers.map(peer => peer.kill()))
  // Peer 1 stays away, and the others have not heard it since they started.
  for (const index of [0, 2, 3, 4]) await cluster.peer(index).start()
  await cluster.clock.advance(minute)
  await cluster.peer(2).repair?.vacate(cluster.peer(0).self)
  await cluster.clock.advance(1_000)
  for (const cid of [alone, full]) {
    assert.equal(cluster.holders(cid)[0], 1, 'its copy may be the only one')
    assert.equal(cluster.holders(cid).length, 2)
    assert.ok(!cluster.holders(cid).includes(0))
  }
  await cluster.stop()
})

test('peers that died long ago and whose pins have holders enough take no place from one that dies now', async () => {
  const cluster = await clusterOf(4)
  cluster.addGone(70)
  for (let n = 4; n < 74; n++) cluster.pin(n, [1, 2, n], { min: 2, max: 3 })
  await cluster.clock.advance(30 * minute)
  assert.deepEqual(cluster.moves, [])
  const cid = cluster.pin(1_000, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * minute)
  assert.equal(cluster.moves.length, 1)
  assert.ok(!cluster.holders(cid).includes(0))
  await cluster.stop()
})

test('a peer that is gone and holds nothing any more is not looked at again', async () => {
  const cluster = await clusterOf(4)
  const cid = cluster.pin(1, [0, 1], { min: 2, max: 2 })
  await cluster.peer(0).kill()
  await cluster.clock.advance(2 * 60 * minute)
  assert.ok(!cluster.holders(cid).includes(0))
  const timesAsked = (): number[] => cluster.peers.slice(1).map(({ pinset }) => pinset.timesAsked)
  const before = timesAsked()
  await cluster.clock.advance(5 * 60 * minute)
  assert.deepEqual(timesAsked(), before)
  await cluster.stop()
})
