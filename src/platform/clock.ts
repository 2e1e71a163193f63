import { timerMs, type Time } from '../domain/time.ts'

/** The only source of time. The simulator brings its own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now (): Time
  /** Milliseconds since some fixed moment; never goes back. */
  monotonic (): number
  /** Calls `callback` once after `delayMs`, unless the result is called first. A timer that is not cancelled keeps the process alive. */
  after (delayMs: number, callback: () => void): () => void
  /** Calls `callback` when the present turn of the event loop has done its I/O. */
  soon (callback: () => void): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after (delayMs, callback) {
    const timer = setTimeout(callback, timerMs(delayMs))
    return () => clearTimeout(timer)
  },
  soon: callback => { setImmediate(callback) },
}

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) { reject(signal.reason); return }
    const abort = (): void => { cancel(); reject(signal?.reason) }
    const cancel = clock.after(delayMs, () => { signal?.removeEventListener('abort', abort); resolve() })
    signal?.addEventListener('abort', abort, { once: true })
  })
}
