import assert from 'node:assert/strict'
import { test } from 'node:test'
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
  await cluster.peer(0).kill()
  await cluster.clock.advance(minute)
  for (const { alerts } of cluster.peers.slice(1)) assert.deepEqual(alerts.list().map(({ name, peer }) => [name, peer]).toSorted(), [['freespace', ...cluster.ids(0)], ['ping', ...cluster.ids(0)]])
  for (const cid of short) {
    const holders = cluster.holders(cid)
    assert.equal(holders.length, 3)
    assert.ok(holders.includes(1) && !holders.includes(0))
  }
  assert.deepEqual([cluster.holders(enough), cluster.holders(elsewhere)], [[0, 1, 2], [2, 3]])
  assert.equal(cluster.moves.length, 40, 'each once')
  assert.equal(new Set(cluster.moves.map(({ by }) => by)).size, 4, 'all take part')
  await cluster.clock.advance(2 * minute)
  assert.deepEqual(cluster.peers.map(({ repair }) => repair?.degraded()), Array(5).fill(0))
  assert.equal(cluster.moves.length, 40, 'and not again')
  await cluster.stop()
})
