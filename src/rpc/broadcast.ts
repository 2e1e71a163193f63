import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** Peers that are asked at a time: all of a usual cluster. */
const defaultConcurrency = 64
/** A peer has this time, whatever the others do (spec/components.md 1.10). */
const defaultTimeoutMs = 15_000

export interface BroadcastOptions extends CallOptions {
  readonly clock: Clock
  readonly timeoutMs?: number
  readonly concurrency?: number
}

/** What one peer said: a value, or why there is none. */
export type Answer<T> =
  | { readonly peer: PeerId, readonly value: T, readonly error?: undefined }
  | { readonly peer: PeerId, readonly error: ClusterError, readonly value?: undefined }

/**
 * Asks many peers at once, each with its own time limit; the answers come in the order of `peers`,
 * and one that fails spoils no other. A peer that does not trust this one is left out, as the
 * reference does.
 * @throws the signal's reason, when all of it was cancelled
 */
export async function broadcast<T> (peers: readonly PeerId[], ask: (peer: PeerId, options: { readonly signal: AbortSignal }) => Promise<T>, options: BroadcastOptions): Promise<Array<Answer<T>>> {
  const answers: Array<Answer<T> | undefined> = peers.map(() => undefined)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < peers.length) {
      options.signal?.throwIfAborted()
      const place = next++
      answers[place] = await askOne(peers[place] as PeerId, ask, options)
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.concurrency ?? defaultConcurrency, peers.length) }, work))
  options.signal?.throwIfAborted()
  return answers.filter(answer => answer !== undefined && answer.error?.code !== 'NOT_AUTHORIZED') as Array<Answer<T>>
}

async function askOne<T> (peer: PeerId, ask: (peer: PeerId, options: { readonly signal: AbortSignal }) => Promise<T>, { clock, signal, timeoutMs = defaultTimeoutMs }: BroadcastOptions): Promise<Answer<T>> {
  const controller = new AbortController()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const end = (reason: unknown): void => {
    controller.abort(reason)
    reject(reason)
  }
  const cancel = (): void => { end(signal?.reason) }
  const cancelTimer = clock.after(timeoutMs, () => { end(new ClusterError('TIMED_OUT', `peer ${peer} did not answer within ${timeoutMs / 1000} seconds`)) })
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return { peer, value: await Promise.race([ask(peer, { signal: controller.signal }), ended]) }
  } catch (error) {
    return { peer, error: error instanceof ClusterError ? error : new ClusterError('INTERNAL', errorText(error), { cause: error }) }
  } finally {
    cancelTimer()
    signal?.removeEventListener('abort', cancel)
  }
}
