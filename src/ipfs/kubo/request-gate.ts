import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'

/** A request that waits for its turn. One that has ended meanwhile takes no turn. */
export interface WaitingRequest {
  readonly isSettled: boolean
  run (): void
}

/** Failures in a row after which requests are held back (spec/components.md 6). */
const maxFailuresInARow = 10
const heldBackIntervalMs = 1_000
/** Requests held back at most; more come only when callers give up and ask again. */
const maxWaiting = 10_000

/**
 * Spares a node that is down: after more than ten failures in a row one request a second is let
 * through, until the first that succeeds, which frees all.
 */
export class RequestGate {
  readonly #clock: Clock
  readonly #logger: Logger
  #failures = 0
  #waiting: WaitingRequest[] = []
  #lastTurnMs = 0
  #cancelTurn: (() => void) | undefined

  constructor (clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Runs the request at once or when its turn comes; false when too many wait already. */
  enter (request: WaitingRequest): boolean {
    if (this.#failures <= maxFailuresInARow) {
      request.run()
      return true
    }
    if (this.#waiting.length >= maxWaiting) this.#waiting = this.#waiting.filter(waiting => !waiting.isSettled)
    if (this.#waiting.length >= maxWaiting) return false
    this.#waiting.push(request)
    this.#planTurn()
    return true
  }

  failed (): void {
    this.#failures++
    if (this.#failures !== maxFailuresInARow + 1) return
    this.#lastTurnMs = this.#clock.monotonic()
    this.#logger.warn('the IPFS node does not answer: requests are held back to one a second')
  }

  succeeded (): void {
    if (this.#failures === 0) return
    if (this.#failures > maxFailuresInARow) this.#logger.warn('the IPFS node answers again: requests are held back no longer')
    this.#failures = 0
    this.clear()
  }

  /** Lets all that wait run now. */
  clear (): void {
    this.#cancelTurn?.()
    this.#cancelTurn = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const request of waiting) if (!request.isSettled) request.run()
  }

  #planTurn (): void {
    const delayMs = Math.max(0, this.#lastTurnMs + heldBackIntervalMs - this.#clock.monotonic())
    this.#cancelTurn ??= this.#clock.after(delayMs, () => {
      this.#cancelTurn = undefined
      this.#lastTurnMs = this.#clock.monotonic()
      const next = this.#waiting.findIndex(request => !request.isSettled)
      const [request] = this.#waiting.splice(0, next < 0 ? this.#waiting.length : next + 1).slice(-1)
      if (this.#waiting.length > 0) this.#planTurn()
      if (request?.isSettled === false) request.run()
    })
  }
}
