import { parentPort, workerData } from 'node:worker_threads'
import type { SeedTask } from './many-seeds.ts'
import { useSmallLimits } from './small-limits.ts'

if (workerData === true) useSmallLimits()
const [{ plantedBugs }, { simulate }] = await Promise.all([import('./bugs/planted.ts'), import('./simulate.ts')])

// Thousands of errors are made on purpose: a seed that fails is run again by itself, with stacks.
Error.stackTraceLimit = 0

parentPort?.on('message', ({ seed, peers, rounds, roundMs, bug }: SeedTask) => {
  const bugs = plantedBugs.find(({ name }) => name === bug)?.plant
  void simulate({ seed, peers, rounds, roundMs, bugs }).then(result => { parentPort?.postMessage(result, []) })
})
