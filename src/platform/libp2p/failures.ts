import { ClusterError, errorText } from '../../domain/errors.ts'

/**
 * What a caller is told of a failed call: the reason of its own signal when that ended it, else
 * that the peer cannot be reached. `what` is the attempt, for example `failed to dial: …`.
 */
export function callFailure (error: unknown, signal: AbortSignal | undefined, what: string): ClusterError {
  if (error instanceof ClusterError && (error.code !== 'TIMED_OUT' || error === signal?.reason)) return error
  if (signal?.aborted === true) return abortFailure(signal, what)
  if (isTimeout(error)) return new ClusterError('TIMED_OUT', `${what}: no answer in time`, { cause: error })
  return new ClusterError('PEER_UNREACHABLE', `${what}: ${allTexts(error)}`, { cause: error })
}

/** The error for a signal that is aborted. */
function abortFailure (signal: AbortSignal, what: string): ClusterError {
  const { reason } = signal as { reason: unknown }
  if (reason instanceof ClusterError) return reason
  if (isTimeout(reason)) return new ClusterError('TIMED_OUT', `${what}: the time limit has passed`, { cause: reason })
  return new ClusterError('CANCELLED', `${what}: cancelled`, { cause: reason })
}

function isTimeout (error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || (error instanceof ClusterError && error.code === 'TIMED_OUT'))
}

/** libp2p hides what went wrong with each address in an AggregateError. */
function allTexts (error: unknown): string {
  if (!(error instanceof AggregateError)) return errorText(error)
  const texts = new Set(error.errors.map(errorText))
  return texts.size === 0 ? error.message : [...texts].join('; ')
}
