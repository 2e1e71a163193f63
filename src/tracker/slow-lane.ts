import type { Random } from '../platform/random.ts'
import { lastLevel } from './operation.ts'

/*
 * How unreachable content is kept from taking all slots. The idea is the multi-level feedback
 * queue of operating systems: a pin that shows no progress while others wait gives its slot
 * back and comes again later with fewer companions, then with more patience, and with a smaller
 * share of the slots. One that makes progress is as good as any other.
 *
 * Level 0: new, up to 128 in a request. 1: up to 8, which finds the good ones of a batch that
 * hung. 2: alone. 3, 4: alone, with more patience each. 5: alone and to the end.
 */

/** The first block of reachable content rarely takes longer than this to arrive. */
const firstPatienceMs = 4_000
/** With a long queue patience is shorter, so that all that wait get a first try within {@link roundMs} or so. */
const leastPatienceMs = 1_000
const roundMs = 60_000

/** From this level on an operation has hung alone: it is stalled, not only suspected of it. */
export const stalledLevel = 3

/**
 * For how long a request with `size` pins of this level may go without progress when others
 * wait: `waiting` for each slot. At the last level only the connector's own limit (pin_timeout)
 * ends it.
 */
export function patienceMs (level: number, size: number, waiting: number): number {
  if (level >= lastLevel) return Infinity
  if (level >= stalledLevel) return firstPatienceMs * 4 ** (level - stalledLevel + 1)
  return Math.max(leastPatienceMs, Math.min(firstPatienceMs, roundMs * size / Math.max(1, waiting)))
}

/** Pins in one request at most: enough to pay for the request, few enough to be done in a moment. */
export const maxBatch = 128

export function maxBatchOf (level: number): number {
  if (level === 0) return maxBatch
  return level === 1 ? 8 : 1
}

/** A batch is for quick pins. One that takes longer, even with progress, is taken apart. */
export const batchTimeLimitMs = 10_000
/** The same while slots are free: its pins would be done sooner side by side. */
export const batchTimeLimitWithFreeSlotsMs = 2_000

/**
 * Slots that the slow lane has for sure out of `slots`. When no others wait it may use them all.
 * With a single slot it only gets what others leave.
 */
export function slowShare (slots: number): number {
  return slots === 1 ? 0 : Math.max(1, Math.floor(slots / 4))
}

const firstRetryMs = 60_000
const longestRetryMs = 3_600_000

/** How long a pin that stalled waits for its next try: doubled with each attempt, a quarter more or less by chance. */
export function retryDelayMs (attempts: number, random: Random): number {
  const delay = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(16, Math.max(0, attempts - 1)))
  return delay * (0.75 + random.fraction() / 2)
}
