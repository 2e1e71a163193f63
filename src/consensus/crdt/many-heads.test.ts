import assert from 'node:assert/strict'
import { test } from 'node:test'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, pinOf } from './crdt-peers.fixture.ts'

test('a peer that tells of all its heads in one message, as the Go program does, gets every one of them in', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const other = await BarePeer.start(peers, 1)
  const heads = Array.from({ length: 4_200 }, (_, n) => other.node(1, [], [pinOf(n)]).cid)
  for (let n = 0; n < 5; n++) {
    await other.tell(heads)
    await peers.clock.advance(20_000)
  }
  assert.equal(a.consensus.pinset().count(), 4_200)
  await peers.stop()
})
