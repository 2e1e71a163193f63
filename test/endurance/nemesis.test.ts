import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machinesAreMissing } from './machine-network.ts'
import { nemesis } from './nemesis.ts'

/* Longer and with more peers: `npm run nemesis`. */

test('peers that are cut off, hang and are killed under load lose nothing and agree again', { skip: machinesAreMissing(), timeout: 580_000 }, async t => {
  const { faults, counts, lost, undone } = await nemesis({ peers: 4, rounds: 2, seed: 7, faultsPerRound: 2, faultMs: 8_000, patienceMs: 120_000, say: line => { t.diagnostic(line) } })
  t.diagnostic(JSON.stringify(counts))
  assert.equal(faults, 4)
  assert.ok(counts.pins > 50 && counts.unpins > 0)
  assert.deepEqual({ lost, undone }, { lost: [], undone: [] })
})
