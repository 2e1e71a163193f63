import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../platform/memory-store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, pinOf } from './crdt-peers.fixture.ts'
import type { DeltaNode } from './delta.ts'

const pinsPerNode = 500

test('a newcomer that fetches an import of millions merges it in steps that hold nothing else up for long', async () => {
  const peers = new CrdtPeers(virtualClock())
  const other = await BarePeer.start(peers, 1)
  const nodes: DeltaNode[] = []
  for (let n = 0; n < 12; n++) {
    const pins = Array.from({ length: pinsPerNode }, (_, i) => pinOf(n * pinsPerNode + i))
    nodes.push(other.node(n + 1, nodes.slice(-1), pins))
  }
  const store = memoryStore()
  let largest = 0
  const watched: typeof store = {
    ...store,
    batch (operations, options) {
      largest = Math.max(largest, operations.length)
      return store.batch(operations, options)
    },
  }
  const a = await peers.start(0, { store: watched })
  await other.tell([(nodes.at(-1) as DeltaNode).cid])
  await peers.clock.advance(20_000)
  assert.equal(a.consensus.pinset().count(), nodes.length * pinsPerNode)
  // Three or four for each pin: a tenth of a second of work for the one thread that answers everything.
  assert.ok(largest < 5_000, `${largest} operations in one batch`)
  await peers.stop()
})
