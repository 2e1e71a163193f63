import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'

const say = (line: string): void => { process.stdout.write(`${line}\n`) }

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    peers: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '4' },
    trace: { type: 'boolean', default: false },
  },
})

const common = { peers: Number(values.peers), rounds: Number(values.rounds), roundMs: Number(values.minutes) * 60_000 }

if (values.seed !== undefined) {
  const result = await simulate({ ...common, seed: Number(values.seed), ...(values.trace && { print: say }) })
  for (const violation of result.violations) say(`broken: ${violation}`)
  say(`seed ${result.seed}: ${result.violations.length === 0 ? 'ok' : 'FAILED'}, ${result.events} events in ${(result.simulatedMs / 60_000).toFixed(1)} simulated minutes, ${result.acknowledged} changes acknowledged, agreed within ${(result.slowest.agreedMs / 1_000).toFixed(0)} s, done within ${(result.slowest.doneMs / 1_000).toFixed(0)} s, trace ${result.hash}`)
  process.exitCode = result.violations.length === 0 ? 0 : 1
} else {
  const began = performance.now()
  const failed: number[] = []
  let events = 0
  let simulatedMs = 0
  let acknowledged = 0
  const first = Number(values.first)
  const count = Number(values.seeds)
  for (let seed = first; seed < first + count; seed++) {
    const result = await simulate({ ...common, seed })
    events += result.events
    simulatedMs += result.simulatedMs
    acknowledged += result.acknowledged
    if (result.violations.length === 0) continue
    failed.push(seed)
    say(`seed ${seed} FAILED: ${result.violations[0]}${result.violations.length > 1 ? ` (and ${result.violations.length - 1} more)` : ''}`)
  }
  const seconds = (performance.now() - began) / 1_000
  say(`${count} seeds, ${common.peers} peers: ${failed.length} failed; ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)} seeds/s), ${events} events, ${acknowledged} changes acknowledged`)
  if (failed.length > 0) say(`failing seeds: ${failed.join(' ')}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
