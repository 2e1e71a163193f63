/**
 * At most so many at a time, the others in the order they came. Who waits is bounded by the
 * callers: each pin and each request waits for a bounded number of things.
 */
export class Slots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor (count: number) { this.#free = count }

  /** True when somebody waits for a slot. */
  get isContended (): boolean { return this.#waiting.size > 0 }

  /** Does the work when a slot is free; rejects with the signal's reason when that comes first. */
  async run<T> (signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const giveBack = await this.take(signal)
    try {
      return await work()
    } finally {
      giveBack()
    }
  }

  /** Takes a slot; the result gives it back, once. */
  async take (signal?: AbortSignal): Promise<() => void> {
    await this.#wait(signal)
    return () => {
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else next()
    }
  }

  #wait (signal?: AbortSignal): Promise<void> | undefined {
    signal?.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return undefined
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(proceed)
        signal?.removeEventListener('abort', abort)
      }
      const proceed = (): void => { leave(); resolve() }
      const abort = (): void => { leave(); reject(signal?.reason) }
      this.#waiting.add(proceed)
      signal?.addEventListener('abort', abort)
    })
  }
}
