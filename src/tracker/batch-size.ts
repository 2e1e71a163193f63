import { maxBatch } from './slow-lane.ts'

/*
 * A request costs the peer and the node about as much as fifty pins in it, so few large ones are
 * cheapest. But a node takes the pins of a request one after the other: what it has to fetch comes
 * sooner in many small ones. Which of the two it is, the last batches tell.
 */

/** A batch that takes no longer than this may be larger next time; one as slow as that has to be smaller. */
const fineBatchMs = 250
const slowBatchMs = 1_000
/** The node had the content and only wrote it down: for a small batch, and for each pin of a large one. */
const quickRequestMs = 50
const quickPinMs = 2
/** Pins in the first requests, when nothing is known of the node. */
const firstLimit = 32
/** Requests that are enough while batches are quick: the node works at one while the next is on its way. */
export const quickRequests = 2

/** A batch of so many that takes longer is not quick. */
export function quickBatchMs (size: number): number { return Math.max(quickRequestMs, quickPinMs * size) }

/** How many new pins go into one request, and over how many requests they are spread. */
export class BatchSize {
  #limit = firstLimit
  /** Pins in the largest batch that was quick, since the last that was not. */
  #quick = 0

  /**
   * Pins for the next request, of `waiting` ones for `slots` slots. All slots get some before any
   * gets many, so that no pin waits for another without need, unless many are as quick as some.
   */
  next (waiting: number, slots: number): number {
    const share = Math.ceil(waiting / slots)
    return Math.max(1, Math.min(this.#limit, waiting > slots ? Math.max(share, 2 * this.#quick) : share))
  }

  /** True when `waiting` pins are as soon done by {@link quickRequests} requests as by all `slots`. */
  isEnough (waiting: number, slots: number): boolean {
    return 2 * this.#quick >= Math.min(this.#limit, Math.ceil(waiting / slots))
  }

  finished (size: number, durationMs: number): void {
    if (durationMs <= quickBatchMs(size)) this.#quick = Math.max(this.#quick, size)
    else this.#quick = Math.min(this.#quick, Math.floor(size / 2))
    if (durationMs > slowBatchMs) this.#limit = Math.max(1, Math.floor(size / 2))
    else if (durationMs < fineBatchMs && size * 2 > this.#limit) this.#limit = Math.min(maxBatch, this.#limit * 2)
  }

  /** One of the batch hung: the others would have been better off without it. */
  hung (): void { this.#quick = 0 }

  tookTooLong (size: number): void {
    this.#limit = Math.max(1, Math.floor(size / 4))
    this.#quick = 0
  }
}
