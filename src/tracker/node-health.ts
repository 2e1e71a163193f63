import type { Random } from '../platform/random.ts'

const firstPauseMs = 1_000
/** Short enough that a pin made while the node is down shows its error within seconds. */
const longestPauseMs = 5_000

/**
 * Whether the IPFS node answers. While it does not, one request at a time goes to it, with
 * growing pauses, so that its absence does not turn the whole queue into errors.
 */
export class NodeHealth {
  readonly #random: Random
  #pauseMs = 0
  #nextAt = 0

  constructor (random: Random) {
    this.#random = random
  }

  get isDown (): boolean { return this.#pauseMs > 0 }
  /** When the next request may go to a node that is down; monotonic. */
  get nextAt (): number { return this.#nextAt }

  /** A request that began at `startedAt` got no answer. */
  failed (startedAt: number, now: number): void {
    // Of many requests that failed together only the first makes the pause longer.
    if (this.isDown && startedAt < this.#nextAt) return
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, this.#pauseMs * 2))
    this.#nextAt = now + this.#pauseMs * (0.8 + this.#random.fraction() / 5)
  }

  answered (): void {
    this.#pauseMs = 0
  }
}
