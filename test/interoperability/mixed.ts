/**
 * Forms clusters of real peers and does with them what operators do: three peers of this program,
 * then, where FLOTILLA_GO_BIN names the folder of the Go binaries, two of each.
 *
 *   node test/interoperability/mixed.ts [--pins 5000] [--unpins 500] [--only ours|mixed]
 */
import { parseArgs } from 'node:util'
import { mixedScenario } from './mixed-scenario.ts'

/** What takes so long has failed. */
const patienceMs = 5 * 60_000

const { values } = parseArgs({ options: { pins: { type: 'string', default: '5000' }, unpins: { type: 'string', default: '500' }, only: { type: 'string' } } })
const goPrograms = process.env.FLOTILLA_GO_BIN
const say = (line: string): void => { process.stdout.write(`${line}\n`) }
const common = { pins: Number(values.pins), unpins: Number(values.unpins), goPrograms, patienceMs, say }

if (values.only !== 'mixed') {
  say('3 peers of this program')
  await mixedScenario({ ...common, ours: 3, go: 0 })
}
if (values.only !== 'ours') {
  if (goPrograms === undefined) {
    say('FLOTILLA_GO_BIN names no folder of Go binaries: no cluster with them')
  } else {
    say('2 peers of this program, 2 of the Go program')
    await mixedScenario({ ...common, ours: 2, go: 2 })
  }
}
say('all as it should be')
