import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { cidFromBytes, compareCids, type Cid } from '../domain/cid.ts'
import { systemClock, type Clock } from '../platform/clock.ts'
import { Operation } from './operation.ts'
import { orderedOperations } from './ordered-operations.ts'

/** Of version 0 for every other `n`. */
function cid (n: number): Cid {
  const multihash = [0x12, 0x20, ...createHash('sha256').update(String(n)).digest()]
  return cidFromBytes(Uint8Array.from(n % 2 === 0 ? multihash : [1, 0x55, ...multihash]))
}

test('of very many operations few are looked at before others get a turn', async () => {
  const cids = Array.from({ length: 5_000 }, (_, n) => cid(n))
  let sinceTurn = 0
  let most = 0
  const clock: Clock = { ...systemClock, soon: callback => { sinceTurn = 0; systemClock.soon(callback) } }
  const operations = cids.map(one => Object.defineProperty(new Operation(one, 'pin_queued', 0, 0), 'cid', { get: () => { most = Math.max(most, ++sinceTurn); return one } }))
  const ordered = await orderedOperations(operations, () => true, clock)
  assert.ok(most <= 1_000, `${most} between two turns`)
  const found: Cid[] = []
  for (let next = ordered.next(); next.done !== true; next = ordered.next()) found.push(next.value.operation.cid)
  assert.deepEqual(found, cids.toSorted(compareCids))
})

test('nothing of nothing', async () => {
  assert.equal((await orderedOperations([], () => true, systemClock)).next().done, true)
})
