import { sleep, type Clock } from '../../platform/clock.ts'

/** Lets things happen at a bounded rate, those who wait in the order in which they came. */
export class Pace {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #burst: number
  #nextAt = -Infinity

  /** `burst` may happen at once after a rest. */
  constructor (clock: Clock, { perSecond, burst }: { readonly perSecond: number, readonly burst: number }) {
    this.#clock = clock
    this.#intervalMs = 1_000 / perSecond
    this.#burst = burst
  }

  /** Resolves when the next thing may happen. @throws the signal's reason */
  async take (signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const now = this.#clock.monotonic()
    const at = Math.max(this.#nextAt, now - (this.#burst - 1) * this.#intervalMs)
    this.#nextAt = at + this.#intervalMs
    if (at > now) await sleep(this.#clock, at - now, signal)
  }
}
