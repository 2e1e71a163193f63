import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from './clock.ts'

/** How often the process is looked at, in milliseconds. */
const lookMs = 5_000
/** A process that takes less of one core than this is at rest: what an idle peer of a large cluster takes, twice. */
const restShare = 0.1
/** After less work than this, in milliseconds of CPU, there is little to collect. */
const leastWorkMs = 2_000
/** A start takes half of that, and leaves 35 MiB. */
const startWorkMs = 500
/** So much more memory than at its least since the last collection, in bytes, is worth one. */
const leastGrowthBytes = 32 * 1024 * 1024
/** A collection that takes so long is worth it only after so many times as much work. */
const workForCollection = 50

/** The process whose memory is looked after. */
export interface CollectedProcess {
  /** CPU time that it has taken since its start, in milliseconds, all threads together. */
  readonly cpuMs: () => number
  /** Memory that it has of the machine, in bytes. */
  readonly residentBytes: () => number
  /** Collects all garbage. */
  readonly collect: () => void
}

/**
 * Has the garbage of a burst of work collected when the burst is over: V8 collects when it needs
 * room, so that a peer which has nothing to do any more would keep what it held at its busiest
 * (with 2,000,000 pins 1.1 GiB, of which 90 MiB are in use).
 * @returns what ends it
 */
export function collectAtRest (clock: Clock, { cpuMs, residentBytes, collect }: CollectedProcess): () => void {
  let seenMs = cpuMs()
  let collectedMs = 0
  let neededMs = startWorkMs
  // V8 gives memory back some seconds after a collection: what the process needs is known later.
  let leastBytes = 0
  const look = (): void => {
    const nowMs = cpuMs()
    const nowBytes = residentBytes()
    const isAtRest = nowMs - seenMs < lookMs * restShare
    seenMs = nowMs
    leastBytes = Math.min(leastBytes, nowBytes)
    if (isAtRest && nowMs - collectedMs >= neededMs && nowBytes - leastBytes >= leastGrowthBytes) {
      const from = clock.monotonic()
      collect()
      neededMs = Math.max(leastWorkMs, workForCollection * (clock.monotonic() - from))
      collectedMs = seenMs = cpuMs()
      leastBytes = nowBytes
    }
    cancel = clock.after(lookMs, look)
  }
  let cancel = clock.after(lookMs, look)
  return () => { cancel() }
}

/** This process. */
export function thisProcess (): CollectedProcess {
  let collect: (() => void) | undefined
  return {
    cpuMs () {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
    residentBytes: () => process.memoryUsage.rss(),
    collect () {
      if (collect === undefined) {
        // Known to V8 all along, but shown only in contexts that are made after this is set.
        setFlagsFromString('--expose-gc')
        collect = runInNewContext('gc') as () => void
      }
      collect()
    },
  }
}
