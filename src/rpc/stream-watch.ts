import { ClusterError } from '../domain/errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { PeerStream } from '../platform/network.ts'

/**
 * Ends a stream that does not move: whoever waits for it then gets the reason rather than what
 * the end of the stream looks like.
 */
export class StreamWatch {
  readonly #stream: PeerStream
  readonly #clock: Clock
  #failure: unknown

  constructor (stream: PeerStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  /** Why this side has given the stream up; undefined when it has not. */
  get failure (): unknown { return this.#failure }

  /** Resets the stream; what waits for it throws `reason`. Only the first reason counts. */
  fail (reason: unknown): void {
    this.#failure ??= reason
    this.#stream.reset()
  }

  /**
   * Waits for something that the stream does. Unless it is done after `timeoutMs` the stream fails
   * with `TIMED_OUT` and `late` as text.
   */
  async wait<T> (work: Promise<T>, timeoutMs: number, late: string): Promise<T> {
    const cancel = this.#clock.after(timeoutMs, () => { this.fail(new ClusterError('TIMED_OUT', late)) })
    try {
      return await work
    } catch (error) {
      throw this.#failure ?? error
    } finally {
      cancel()
    }
  }
}
