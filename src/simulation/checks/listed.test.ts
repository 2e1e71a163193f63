import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pinOf } from '../../consensus/crdt/crdt-peers.fixture.ts'
import { compareCids, type Cid } from '../../domain/cid.ts'
import type { GlobalPinInfo } from '../../domain/status.ts'
import { listFaults } from './listed.ts'

test('a list is in order, has nothing twice, and lacks nothing', () => {
  const [first, second, third] = [1, 2, 3].map(n => pinOf(n).cid).toSorted(compareCids) as [Cid, Cid, Cid]
  const list = (...cids: Cid[]): GlobalPinInfo[] => cids.map(cid => ({ cid, name: '', allocations: null, origins: null, created: 0, metadata: null, peerMap: {} }))
  assert.deepEqual(listFaults(list(first, second, third), [first, third]), [])
  for (const listed of [list(first, third, second), list(first, second, second, third), list(first, second)]) assert.equal(listFaults(listed, [first, third]).length, 1)
})
