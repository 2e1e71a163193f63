import type { Time } from '../domain/time.ts'
import type { Clock } from './clock.ts'
import { MinHeap } from './min-heap.ts'

/**
 * A clock that stands still until it is moved, for tests and the simulator. Everything that was
 * asked of it happens in one order, given by the moment and then by who asked first; before each
 * step all promises that can settle have settled. Nothing here depends on real time.
 */
export interface VirtualClock extends Clock {
  /** Lets happen what is due now; time does not move. */
  settle (): Promise<void>
  /** Lets happen what is due within `durationMs`, then stands `durationMs` later. */
  advance (durationMs: number): Promise<void>
  /**
   * Goes from event to event until `done` answers true.
   * @throws Error when nothing is left to happen, or `limitMs` have gone by before
   */
  until (done: () => boolean, limitMs: number): Promise<void>
  /** The moment of the next event; undefined when none waits. */
  nextAt (): Time | undefined
  /** Sets the wall clock alone forward or back, as an operator or a time service does. */
  setWallClock (now: Time): void
}

interface Timer { readonly at: number, readonly order: number, callback: (() => void) | undefined }

/** Steps at one and the same moment after which a loop that never waits is suspected. */
const maxStepsAtOnce = 1_000_000

/** `settled` resolves when all promises that can settle have; by default after a turn of the real event loop. */
export function virtualClock (start: Time = Date.UTC(2030, 0, 1), settled: () => Promise<void> = promisesSettled): VirtualClock {
  const timers = new MinHeap<Timer>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))
  const soon: Array<() => void> = []
  let elapsed = 0
  let wallOffset = start
  let order = 0
  let cancelled = 0

  const next = (): Timer | undefined => {
    while (timers.peek() !== undefined && timers.peek()?.callback === undefined) {
      timers.pop()
      cancelled--
    }
    return timers.peek()
  }

  /** `isQuiet` when nothing has run since all promises had settled. */
  const settle = async (isQuiet = false): Promise<void> => {
    for (let steps = 0; ; steps++) {
      if (steps > maxStepsAtOnce) throw new Error('the clock cannot go on: something asks for another turn without end')
      if (!isQuiet || steps > 0) await settled()
      const due = soon.shift() ?? takeDue()
      if (due === undefined) return
      due()
    }
  }

  const takeDue = (): (() => void) | undefined => {
    const timer = next()
    if (timer === undefined || timer.at > elapsed) return undefined
    timers.pop()
    const { callback } = timer
    timer.callback = undefined
    return callback
  }

  const moveTo = async (moment: number): Promise<void> => {
    await settle()
    for (let timer = next(); timer !== undefined && timer.at <= moment; timer = next()) {
      elapsed = Math.max(elapsed, timer.at)
      await settle(true)
    }
    elapsed = moment
  }

  return {
    now: () => wallOffset + elapsed,
    monotonic: () => elapsed,
    after (delayMs, callback) {
      // Whoever waits for what is left of some time, however little that is, finds that it has gone by.
      const soonest = delayMs > 0 ? elapsed * (1 + Number.EPSILON) : elapsed
      const timer: Timer = { at: Math.max(soonest, elapsed + delayMs), order: order++, callback }
      timers.push(timer)
      return () => {
        if (timer.callback === undefined) return
        timer.callback = undefined
        cancelled++
        // Components set and cancel timers all the time: the dead must not outnumber the living.
        if (cancelled > 64 && cancelled > timers.size / 2) {
          timers.retain(timer => timer.callback !== undefined)
          cancelled = 0
        }
      }
    },
    soon: callback => { soon.push(callback) },
    settle: () => settle(),
    advance: durationMs => moveTo(elapsed + durationMs),
    async until (done, limitMs) {
      const limit = elapsed + limitMs
      for (let isQuiet = false; ; isQuiet = true) {
        await settle(isQuiet)
        if (done()) return
        const timer = next()
        if (timer === undefined) throw new Error('nothing is left to happen')
        if (timer.at > limit) throw new Error(`not within ${limitMs} ms`)
        elapsed = Math.max(elapsed, timer.at)
      }
    },
    nextAt () {
      if (soon.length > 0) return wallOffset + elapsed
      const timer = next()
      return timer === undefined ? undefined : wallOffset + timer.at
    },
    setWallClock (now) { wallOffset = now - elapsed },
  }
}

/** A turn of the real event loop: every promise reaction that can run has run by then. */
function promisesSettled (): Promise<void> {
  return new Promise(resolve => { setImmediate(resolve) })
}
