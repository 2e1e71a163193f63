import type { Clock } from './clock.ts'

/** Lets one loop rest until there is something to do. */
export class Wake {
  #wake: (() => void) | undefined

  /** Ends the rest; without one it does nothing: a loop looks for work before it rests. */
  call (): void { this.#wake?.() }

  /** Resolves at the next call, when the signal is or was aborted, or after `timeMs` milliseconds of `clock`. */
  rest (signal: AbortSignal, limit?: { readonly clock: Clock, readonly timeMs: number }): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        cancel?.()
        this.#wake = undefined
        resolve()
      }
      const cancel = limit?.clock.after(limit.timeMs, done)
      this.#wake = done
      signal.addEventListener('abort', done, { once: true })
      if (signal.aborted) done()
    })
  }
}
