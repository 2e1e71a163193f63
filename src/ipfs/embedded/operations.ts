import { ClusterError } from '../../domain/errors.ts'
import type { Clock } from '../../platform/clock.ts'

export interface OperationOptions {
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
  /** The operation ends with `TIMED_OUT` after this; 0 and absent: never. */
  readonly timeoutMs?: number
  /** What is done, for the error text: `reading block bafy…`. */
  readonly what: string
}

/** The calls under way: each ends by itself, by its caller, in time, or when the node stops. */
export class Operations {
  readonly #clock: Clock
  readonly #underWay = new Set<{ readonly controller: AbortController, readonly done: Promise<unknown> }>()
  #stopped = false

  constructor (clock: Clock) { this.#clock = clock }

  /**
   * Does the work with a signal that covers all reasons to end; whatever the work then throws, the
   * caller gets the reason.
   * @throws ClusterError `CANCELLED` by the caller or when the node stops, `TIMED_OUT`
   */
  async run<T> ({ signal, timeoutMs, what }: OperationOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#stopped) throw new ClusterError('CANCELLED', `${what}: the embedded IPFS node is stopped`)
    if (signal?.aborted === true) throw cancelled(what, signal.reason)
    const controller = new AbortController()
    const abort = (): void => { controller.abort(cancelled(what, signal?.reason)) }
    signal?.addEventListener('abort', abort)
    const cancelTimer = timeoutMs === undefined || timeoutMs === 0
      ? undefined
      : this.#clock.after(timeoutMs, () => { controller.abort(new ClusterError('TIMED_OUT', `${what} took longer than ${timeoutMs / 1000} s`)) })
    const done = (async () => work(controller.signal))()
    const entry = { controller, done }
    this.#underWay.add(entry)
    try {
      return await done
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      this.#underWay.delete(entry)
      cancelTimer?.()
      signal?.removeEventListener('abort', abort)
    }
  }

  /** As {@link run} for answers that come bit by bit; the caller may leave at any time. */
  async * stream<T> (options: OperationOptions, work: (signal: AbortSignal) => AsyncIterable<T>): AsyncGenerator<T> {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin, reject: refuse } = Promise.withResolvers<AbortSignal>()
    const operation = this.run(options, async signal => {
      begin(signal)
      await orAborted(left, signal)
    })
    operation.catch(refuse)
    const signal = await begun
    try {
      yield * work(signal)
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      leave()
      await operation.catch(() => {})
    }
  }

  /** Ends all calls; resolves when they have given back what they held. */
  async stop (): Promise<void> {
    this.#stopped = true
    for (const { controller } of this.#underWay) controller.abort(new ClusterError('CANCELLED', 'the embedded IPFS node stops'))
    await Promise.allSettled([...this.#underWay].map(({ done }) => done))
  }
}

function cancelled (what: string, reason: unknown): ClusterError {
  return reason instanceof ClusterError ? reason : new ClusterError('CANCELLED', `${what} was cancelled`, { cause: reason })
}

/** The promise, or the signal's reason when that comes first. */
export function orAborted<T> (promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => { reject(signal.reason) }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => { signal.removeEventListener('abort', abort) })
  })
}
