import { sleep, type Clock } from '../../platform/clock.ts'

/** Least time between two deltas, in milliseconds. */
const paceMs = 50
/** A burst is over when no change has come for so long. */
const quietMs = 20
/**
 * While a burst lasts there is a delta each so often: other peers hear of a change so much later at most.
 * Longer saves more, but what is left for them to do at the end of the burst grows with it.
 */
const burstMs = 100

/**
 * Says how long changes gather for the next delta. A delta costs every peer a message, its signature, a
 * write and requests to its IPFS node, however few changes are in it; so those of a burst share one
 * for as long as others may be kept waiting. The last ones go as soon as nothing comes any more.
 */
export class BurstPace {
  readonly #clock: Clock
  #lastCameAt = -Infinity

  constructor (clock: Clock) { this.#clock = clock }

  /** To be called when changes have come. */
  came (): void { this.#lastCameAt = this.#clock.monotonic() }

  /** After a delta: resolves when the next may be made, or when the signal was aborted. `isEnough` tells that nothing more need gather. */
  async rest (isEnough: () => boolean, signal: AbortSignal): Promise<void> {
    const end = this.#clock.monotonic() + burstMs
    for (let leftMs = paceMs; leftMs > 0;) {
      await sleep(this.#clock, leftMs, signal).catch(() => {})
      if (signal.aborted || isEnough()) return
      leftMs = Math.min(this.#lastCameAt + quietMs, end) - this.#clock.monotonic()
    }
  }
}
