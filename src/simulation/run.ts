import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { runSeeds } from './many-seeds.ts'
import { useSmallLimits } from './small-limits.ts'

const usage = `Runs whole clusters in one process, each from one seed, and holds what we promise against them.
  npm run sim -- --seeds 1000 [--first N] [--peers 5] [--rounds 2] [--minutes 4] [--threads N]
  npm run sim -- --seed N [--trace] [--peers 5] [--rounds 2] [--minutes 4]
  npm run sim -- --bugs [--seeds N]        plants one known failure after the other and tells when it is found
  npm run sim -- --seed N --bug NAME
  --small-limits                           work is cut in two after two or three pieces, where thousands come together otherwise
A seed runs rounds: faults strike for so many simulated minutes, then they end and all is checked.
`

/** How often a long run tells how far it is, in milliseconds. */
const progressMs = 60_000

const say = (line: string): void => { process.stdout.write(`${line}\n`) }

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    peers: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '4' },
    threads: { type: 'string', default: String(availableParallelism()) },
    bugs: { type: 'boolean', default: false },
    bug: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'small-limits': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const hasSmallLimits = values['small-limits']
if (hasSmallLimits) useSmallLimits()
const [{ plantedBugs }, { simulate }] = await Promise.all([import('./bugs/planted.ts'), import('./simulate.ts')])

const common = { hasSmallLimits, peers: Number(values.peers), rounds: Number(values.rounds), roundMs: Number(values.minutes) * 60_000 }

if (values.help) process.stdout.write(usage)
else if (values.bugs) await findBugs(Number(values.first), Number(values.seeds), Number(values.threads))
else if (values.seed !== undefined) await runOne(Number(values.seed))
else await runMany(Number(values.first), Number(values.seeds), Number(values.threads))

async function runOne (seed: number): Promise<void> {
  const { violations, hash, events, simulatedMs, acknowledged, slowest } = await simulate({ ...common, seed, bugs: plantedBugs.find(({ name }) => name === values.bug)?.plant, ...(values.trace && { print: say }) })
  for (const violation of violations) say(`broken: ${violation}`)
  say(`seed ${seed}: ${violations.length === 0 ? 'ok' : 'FAILED'}, ${events} events in ${(simulatedMs / 60_000).toFixed(1)} simulated minutes, ${acknowledged} changes acknowledged, agreed within ${(slowest.agreedMs / 1_000).toFixed(0)} s, done within ${(slowest.doneMs / 1_000).toFixed(0)} s, trace ${hash}`)
  process.exitCode = violations.length === 0 ? 0 : 1
}

async function runMany (first: number, count: number, threads: number): Promise<void> {
  const began = performance.now()
  const failed: number[] = []
  let done = 0
  let toldAt = began
  const total = { events: 0, simulatedMs: 0, acknowledged: 0, agreedMs: 0, doneMs: 0 }
  const tasks = Array.from({ length: count }, (_, n) => ({ ...common, seed: first + n }))
  await runSeeds(tasks, threads, ({ seed, violations, events, simulatedMs, acknowledged, slowest }) => {
    done++
    if (performance.now() - toldAt > progressMs) {
      toldAt = performance.now()
      process.stderr.write(`${done} of ${count} seeds, ${failed.length} failed\n`)
    }
    total.events += events
    total.simulatedMs += simulatedMs
    total.acknowledged += acknowledged
    total.agreedMs = Math.max(total.agreedMs, slowest.agreedMs)
    total.doneMs = Math.max(total.doneMs, slowest.doneMs)
    if (violations.length > 0) {
      failed.push(seed)
      say(`seed ${seed} FAILED: ${violations[0]}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ''}`)
    }
    return false
  })
  const seconds = (performance.now() - began) / 1_000
  say(`${count} seeds of ${common.peers} peers: ${failed.length} failed; ${(total.simulatedMs / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)} seeds/s), ${total.events} events, ${total.acknowledged} changes acknowledged, all agreed within ${(total.agreedMs / 1_000).toFixed(0)} s and were done within ${(total.doneMs / 1_000).toFixed(0)} s after faults`)
  if (failed.length > 0) say(`failing seeds: ${failed.toSorted((a, b) => a - b).join(' ')}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}

/** Whether the checks notice what they are for. */
async function findBugs (first: number, most: number, threads: number): Promise<void> {
  let missed = 0
  for (const { name, story } of plantedBugs) {
    const began = performance.now()
    let seeds = 0
    let found: string | undefined
    await runSeeds(Array.from({ length: most }, (_, n) => ({ ...common, seed: first + n, bug: name })), threads, ({ violations }) => {
      seeds++
      found = violations[0]
      return found !== undefined
    })
    if (found === undefined) missed++
    say(`${found === undefined ? 'NOT FOUND' : 'found'} within ${seeds} seeds, ${((performance.now() - began) / 1_000).toFixed(1)} s: ${name} (${story})${found === undefined ? '' : `\n      ${found.split('\n')[0]}`}`)
  }
  say(`${plantedBugs.length - missed} of ${plantedBugs.length} planted bugs found`)
  process.exitCode = missed === 0 ? 0 : 1
}
