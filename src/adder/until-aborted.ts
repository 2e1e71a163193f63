import { ClusterError } from '../domain/errors.ts'

/**
 * The same items, until the signal is aborted: then a read that waits, and every later one, throws
 * `CANCELLED`, even when the source stays silent for ever. One listener for all reads, so that
 * nothing grows with the length of the stream.
 */
export function untilAborted<T> (source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncIterable<T> {
  if (signal === undefined) return source
  return { [Symbol.asyncIterator]: () => guard(source[Symbol.asyncIterator](), signal) }
}

function guard<T> (iterator: AsyncIterator<T>, signal: AbortSignal): AsyncIterator<T> {
  let rejectPending: ((reason: unknown) => void) | undefined
  const cancelled = (): ClusterError => new ClusterError('CANCELLED', 'the add was cancelled', { cause: signal.reason })
  const onAbort = (): void => rejectPending?.(cancelled())
  signal.addEventListener('abort', onAbort, { once: true })
  const release = (): void => signal.removeEventListener('abort', onAbort)

  return {
    next () {
      if (signal.aborted) return Promise.reject(cancelled())
      return new Promise<IteratorResult<T>>((resolve, reject) => {
        rejectPending = reject
        iterator.next().then(result => {
          rejectPending = undefined
          if (result.done === true) release()
          resolve(result)
        }, (error: unknown) => {
          rejectPending = undefined
          release()
          reject(error)
        })
      })
    },
    async return () {
      release()
      // A source that hangs would keep this waiting: it learns of it, nobody waits for it.
      iterator.return?.().catch(() => {})
      return { done: true, value: undefined }
    },
  }
}
