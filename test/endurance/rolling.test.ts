import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rollingRestart } from './rolling.ts'

/* The same at full size: `npm run rolling`. */

test('restarts of all peers under load lose nothing and move nothing', { timeout: 580_000 }, async t => {
  const { restarts, counts, lost, undone, repinned } = await rollingRestart({ peers: 4, pins: 200, seed: 5, patienceMs: 120_000, say: line => { t.diagnostic(line) } })
  t.diagnostic(JSON.stringify(counts))
  assert.equal(restarts, 4)
  assert.ok(counts.pins > 200 && counts.unpins > 0)
  assert.deepEqual({ lost, undone, repinned }, { lost: [], undone: [], repinned: 0 })
})
