/** Numbers that a seed decides: the same seed gives the same decisions. */
export class Seeded {
  #state: number

  constructor (seed: number) { this.#state = seed >>> 0 }

  /** A whole number below `limit`. */
  below (limit: number): number {
    // mulberry32
    this.#state = (this.#state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit)
  }

  /** True once in `times`. */
  once (times: number): boolean { return this.below(times) === 0 }

  /** Another source, decided by this one. */
  fork (): Seeded { return new Seeded(this.below(2 ** 32)) }
}
