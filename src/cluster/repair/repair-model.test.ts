import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { TestCluster } from './repair.fixture.ts'

const peerCount = 6
const pinCount = 25

type Event = { readonly peer: number, readonly what: 'dies' | 'starts' | 'blinks', readonly afterS: number }
const events = fc.array(fc.record<Event>({ peer: fc.nat(peerCount - 1), what: fc.constantFrom('dies', 'starts', 'blinks'), afterS: fc.nat(180) }), { maxLength: 8 })
const pins = fc.array(fc.record({
  holders: fc.uniqueArray(fc.nat(peerCount - 1), { minLength: 1, maxLength: 4 }),
  min: fc.integer({ min: 1, max: 3 }),
}), { minLength: 1, maxLength: pinCount })

test('whatever dies and comes back: nothing moves without need, and in the end nothing is short', async () => {
  await fc.assert(fc.asyncProperty(events, pins, async (events, pins) => {
    const cluster = new TestCluster()
    await cluster.add(peerCount)
    await cluster.clock.advance(20_000)
    const downSince = new Map<number, number>()
    const cids = pins.map(({ holders, min }, n) => cluster.pin(n, holders, { min: Math.min(min, holders.length), max: 3 }))
    const before = new Map(cids.map(cid => [cid, cluster.holders(cid)]))
    let deaths = 0
    for (const { peer, what, afterS } of events) {
      await cluster.clock.advance(afterS * 1_000)
      const subject = cluster.peer(peer)
      if (what === 'dies' && subject.isUp && downSince.size < 2) {
        deaths++
        downSince.set(peer, cluster.clock.monotonic())
        await subject.kill()
      } else if (what === 'starts' && !subject.isUp) {
        downSince.delete(peer)
        await subject.start()
      } else if (what === 'blinks' && subject.isUp) {
        await subject.disconnect()
        await cluster.clock.advance(30_000)
        await subject.connect()
        // Two at once would be one long one.
        await cluster.clock.advance(30_000)
      }
    }
    await cluster.clock.advance(15 * 60_000)
    const holdersAtMost = 3
    for (const cid of cids) {
      const holders = cluster.holders(cid)
      const pin = cluster.peers.find(({ isUp }) => isUp)?.pinset.pins.get(cid)
      const min = pin?.replicationFactorMin ?? 0
      const moves = cluster.moves.filter(move => move.pin.cid === cid)
      assert.ok(holders.filter(holder => cluster.peer(holder).isUp).length >= min, `${holders.join()} of ${min}`)
      assert.ok(holders.length <= Math.max(holdersAtMost, before.get(cid)?.length ?? 0))
      assert.equal(new Set(holders).size, holders.length)
      assert.ok(moves.length <= deaths, 'a death moves a pin once at most')
    }
    if (deaths === 0) assert.deepEqual(cluster.moves, [])
    await cluster.stop()
  }), { numRuns: 15 })
})
