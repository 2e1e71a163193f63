import type { ServiceId } from '../codec/peer-messages.ts'
import { AssertionError, ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Counter } from '../platform/metrics.ts'
import type { Tracer } from '../platform/tracer.ts'
import type { PartialBytes } from './call-limits.ts'
import { Refusal } from './permission.ts'
import type { SenderLog } from './sender-log.ts'
import type { HandlerOptions, Handlers } from './service-handlers.ts'

/** What all calls that are answered have in common. */
export interface CallContext {
  readonly clock: Clock
  readonly tracer: Tracer
  readonly isTrusted: (peer: PeerId) => boolean
  readonly handlers: Handlers
  readonly logger: Logger
  readonly senders: SenderLog
  readonly partial: PartialBytes
  readonly answered: Counter
  readonly refused: Counter
  readonly unreadable: Counter
}

/** A handler without the types of its method. */
export type AnyHandler = (request: unknown, options: HandlerOptions) => unknown

/** A caller has its request at hand when it makes the call: time for all of it to come. */
export const requestMs = 15_000
/** A caller that takes nothing for this time is given up. */
export const writeMs = 2 * 60_000
/** One for all calls: most end so, and an error is dear to make. */
export const callIsOver = new ClusterError('CANCELLED', 'the call is over')

/** What the caller is told of an error of its call; counts and logs it. */
export function refusalFor ({ refused, senders, logger, clock }: CallContext, peer: PeerId, { service, method }: ServiceId, error: unknown): Refusal {
  const call = `${service}.${method}`
  if (error instanceof Refusal) {
    refused.add(1)
    senders.warn(peer, 'a call of a peer was refused', error.message)
    return error
  }
  if (error instanceof AssertionError) clock.soon(() => { throw error })
  else if (!(error instanceof ClusterError)) logger.error({ stack: error instanceof Error ? error.stack : undefined }, `answering ${call} failed in an unforeseen way`)
  senders.warn(peer, `a call of ${call} failed`, errorText(error))
  return new Refusal(errorText(error), 0)
}
