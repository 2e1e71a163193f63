import { ClusterError } from '../domain/errors.ts'
import type { Clock } from './clock.ts'
import type { CallOptions } from './lifecycle.ts'

/**
 * Runs `work` with a signal that is aborted after `limitMs` and with the caller's. Ends then, also
 * when the work does not heed its signal.
 * @throws ClusterError `TIMED_OUT`, the reason of the caller's signal, and what `work` throws
 */
export async function within<T> (clock: Clock, limitMs: number, options: CallOptions, work: (options: { readonly signal: AbortSignal }) => Promise<T>): Promise<T> {
  options.signal?.throwIfAborted()
  const ended = new AbortController()
  const hasEnded = new Promise<never>((_resolve, reject) => {
    ended.signal.addEventListener('abort', () => { reject(ended.signal.reason as Error) }, { once: true })
  })
  const cancel = clock.after(limitMs, () => { ended.abort(new ClusterError('TIMED_OUT', 'context deadline exceeded')) })
  const give = (): void => { ended.abort(options.signal?.reason) }
  options.signal?.addEventListener('abort', give, { once: true })
  try {
    return await Promise.race([work({ signal: ended.signal }), hasEnded])
  } finally {
    cancel()
    options.signal?.removeEventListener('abort', give)
    hasEnded.catch(() => {})
  }
}

/** Waits for `answer` until the caller's signal is aborted; the work goes on for others that wait. */
export function unlessAborted<T> (answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return answer
  return new Promise((resolve, reject) => {
    const abort = (): void => { reject(signal.reason as Error) }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    answer.then(resolve, reject).finally(() => { signal.removeEventListener('abort', abort) })
  })
}
