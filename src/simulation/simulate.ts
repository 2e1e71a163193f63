import type { Bugs } from './bugs/bugs.ts'
import { listsOfAllFaults } from './checks/listed.ts'
import { strikeUntil } from './faults.ts'
import { importMany } from './many-pins.ts'
import { joinUntil } from './newcomers.ts'
import { comeToRest, type RestTimes } from './rest.ts'
import { Workload, type WorkloadOptions } from './workload.ts'
import { watch } from './watch.ts'
import { World } from './world.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly peers: number
  /** Times that faults strike and the cluster then comes to rest. */
  readonly rounds: number
  /** How long they strike each time, in milliseconds. */
  readonly roundMs: number
  readonly bugs?: Bugs | undefined
  readonly print?: ((line: string) => void) | undefined
}

export interface SimulationResult {
  readonly seed: number
  /** Empty when all promises were kept. */
  readonly violations: readonly string[]
  readonly hash: string
  readonly events: number
  /** Time that went by in the simulation, in milliseconds. */
  readonly simulatedMs: number
  readonly acknowledged: number
  /** The longest that it took to agree, and to be done, in milliseconds. */
  readonly slowest: RestTimes
}

/** Runs one seed from the start of the cluster to its last rest, or to the first promise that is broken. */
export async function simulate (options: SimulationOptions): Promise<SimulationResult> {
  // Otherwise the first adds would load them, and wait for the disk of this machine.
  await Promise.all([import('../adder/single-dag.ts'), import('../adder/sharded-dag.ts'), import('@ipld/dag-cbor'), import('multiformats/cid')])
  const world = await World.create(options)
  const rejected = (reason: unknown): void => { world.violate(`unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`) }
  process.on('unhandledRejection', rejected)
  const slowest = { agreedMs: 0, doneMs: 0 }
  const ended = new AbortController()
  let hash: string | undefined
  try {
    const workload = new Workload(world, workloadOf(world))
    const pauseMs = world.random.fork('pace').pick([3_000, 10_000, 30_000])
    await importMany(world)
    await world.clock.advance(1_000)
    await world.stranger?.start()
    for (const peer of world.peers) peer.start()
    await world.clock.advance(30_000)
    void watch(world, ended.signal)
    for (let round = 1; round <= options.rounds && world.violations.length === 0; round++) {
      const untilMs = world.clock.monotonic() + options.roundMs
      await world.while(Promise.all([workload.run(untilMs, round), strikeUntil(world, untilMs, round, pauseMs), joinUntil(world, untilMs, round)]), 10 * options.roundMs)
      const times = await comeToRest(world)
      slowest.agreedMs = Math.max(slowest.agreedMs, times.agreedMs)
      slowest.doneMs = Math.max(slowest.doneMs, times.doneMs)
    }
    // Asking all for all is no part of the trace: how it is done may change.
    hash = world.trace.hash
    if (world.violations.length === 0) for (const fault of await listsOfAllFaults(world)) world.violate(`status tells the truth: ${fault}`)
  } catch (error) {
    world.violate(`the simulation could not go on: ${error instanceof Error ? error.stack : String(error)}`)
  } finally {
    ended.abort()
    for (const peer of world.peers) peer.kill()
    process.off('unhandledRejection', rejected)
  }
  return {
    seed: options.seed,
    violations: world.violations,
    hash: hash ?? world.trace.hash,
    events: world.trace.events,
    simulatedMs: world.clock.monotonic(),
    acknowledged: world.history.acknowledged,
    slowest,
  }
}

function workloadOf (world: World): WorkloadOptions {
  const random = world.random.fork('workload')
  return { users: 1 + random.integer(4), mostPauseMs: random.pick([500, 2_000, 10_000]), sharedCids: random.pick([3, 10, 30]), hasBursts: random.fork('bursts').chance(0.4) }
}
