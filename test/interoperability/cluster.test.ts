import { test } from 'node:test'
import { mixedScenario } from './mixed-scenario.ts'

/* The same at full size: `npm run interoperability`. */

const goPrograms = process.env.FLOTILLA_GO_BIN
/** The machine may be busy with other tests. */
const patienceMs = 120_000
const timeout = 580_000
const small = { pins: 100, unpins: 20, goPrograms, patienceMs }

test('three peers share pins and files, and mend what deaths and strangers do', { timeout }, async t => {
  await mixedScenario({ ...small, ours: 3, go: 0, say: line => { t.diagnostic(line) } })
})

test('two peers of the Go program and two of ours are one cluster', { timeout, skip: goPrograms === undefined && 'FLOTILLA_GO_BIN names no folder of Go binaries' }, async t => {
  await mixedScenario({ ...small, ours: 2, go: 2, say: line => { t.diagnostic(line) } })
})
