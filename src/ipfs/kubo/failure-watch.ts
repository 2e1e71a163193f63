/**
 * Waits, one after the other, that one failure ends. Unlike `Promise.race` with a promise of the
 * failure it keeps nothing of waits that are over: an upload waits millions of times.
 */
export class FailureWatch {
  #failure: { readonly error: unknown } | undefined
  #reject: ((error: unknown) => void) | undefined

  /** Ends the present wait and all later ones with `error`; only the first failure counts. */
  fail (error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#reject?.(error)
  }

  /** The outcome of `wait`, or the failure if that comes first. */
  until<T> (wait: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        wait.catch(() => {})
        reject(this.#failure.error)
        return
      }
      this.#reject = reject
      wait.then(resolve, reject)
    })
  }
}
