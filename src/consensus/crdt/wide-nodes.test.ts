import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GossipMessage, Network } from '../../platform/network.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { encodeBroadcast } from './broadcast-message.ts'
import { CrdtPeers, pinOf } from './crdt-peers.fixture.ts'
import type { DeltaNode } from './delta.ts'

test('a node that follows thousands, and comes while those of another one are fetched, leaves none of them behind', async () => {
  const peers = new CrdtPeers(virtualClock())
  const other = await BarePeer.start(peers, 1)
  const wide = (first: number, count: number): DeltaNode => other.node(2, Array.from({ length: count }, (_, n) => other.node(1, [], [pinOf(first + n)])), [])
  const [one, another] = [wide(0, 6_000), wide(6_000, 5_000)]
  let fetched = 0
  let hear: (message: GossipMessage) => void = () => {}
  const network = (joined: Network): Network => ({
    ...joined,
    subscribe (topic, handler, accept) {
      hear = handler
      return joined.subscribe(topic, handler, accept)
    },
    fetchBlock (cid, options) {
      if (++fetched === 4_000) hear({ from: other.network.self, data: encodeBroadcast([{ cid: another.cid, block: another.bytes }]) })
      return joined.fetchBlock(cid, options)
    },
  })
  const a = await peers.start(0, { network })
  await other.tell([one.cid])
  await peers.clock.advance(20_000)
  assert.deepEqual(a.consensus.inspect().unmerged, { missing: 0, stored: 0 })
  assert.equal(a.consensus.pinset().count(), 11_000)
  await peers.stop()
})
