import { Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import type { SimulationResult } from './simulate.ts'

/** What one thread is told to do, and answers with a {@link SimulationResult}. */
export interface SeedTask {
  readonly seed: number
  readonly peers: number
  readonly rounds: number
  readonly roundMs: number
  /** Name of a planted bug. */
  readonly bug?: string | undefined
  /** The same for all tasks of one run. */
  readonly hasSmallLimits?: boolean
}

/**
 * Seeds that one thread runs before another takes its place. Waits that a crashed peer left behind
 * never end, and Node keeps signals made of others that somebody listens to for as long as the
 * thread lives: some 5 MB a seed, so that 400 seeds filled the heap.
 */
const seedsPerThread = 50

/** Runs seeds in as many threads; each seed is alone in its thread while it runs. `onResult` answers true to end early. */
export async function runSeeds (tasks: readonly SeedTask[], threads: number, onResult: (result: SimulationResult) => boolean): Promise<void> {
  const rest = [...tasks].toReversed()
  let isOver = false
  await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, async () => {
    while (rest.length > 0 && !isOver) {
      const worker = new Worker(fileURLToPath(new URL('seed-worker.ts', import.meta.url)), { workerData: tasks[0]?.hasSmallLimits === true })
      try {
        for (let done = 0; done < seedsPerThread && !isOver; done++) {
          const task = rest.pop()
          if (task === undefined) break
          const result = await ask(worker, task)
          if (!isOver && onResult(result)) isOver = true
        }
      } finally {
        await worker.terminate()
      }
    }
  }))
}

function ask (worker: Worker, task: SeedTask): Promise<SimulationResult> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (result: SimulationResult) => {
      worker.off('error', reject)
      resolve(result)
    })
    worker.postMessage(task, [])
  })
}
