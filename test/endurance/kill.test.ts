import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killRounds } from './kill.ts'

/** Few: `npm run endurance` has the many. */
const rounds = 4

test('a peer that is killed under load, while it starts and while it stops loses nothing that it acknowledged', { skip: process.platform === 'win32' ? 'signals are those of POSIX' : false }, async t => {
  const report = await killRounds({ rounds, seed: 20 })
  t.diagnostic(`${report.acknowledgedPins} pins and ${report.acknowledgedUnpins} unpins acknowledged`)
  assert.ok(report.acknowledgedPins > 0 && report.acknowledgedUnpins > 0, 'the peer was under load')
  assert.deepEqual(report.mistakes, [])
})
