import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Counter } from '../platform/metrics.ts'
import type { Refusal } from './admission.ts'

/** Senders remembered as told of; more than that are only counted. */
const maxTold = 1_000
/** After this time a sender is told of again, in milliseconds. */
const tellAgainMs = 3_600_000

const advice: Readonly<Record<Refusal, string>> = {
  'signed by another peer': 'it is about another peer than the one that signed it',
  'without a name': 'it has no name, or an endless one',
  'not valid': 'it says itself that it is not valid',
  'older than the last one': 'a newer one of that peer is known',
  'expired': 'it had expired when it arrived: compare that peer\'s clock with this one\'s',
  'from the future': 'it claims to count for more than a day: compare that peer\'s clock with this one\'s',
  'too large': 'it is larger than any metric',
  'unreadable': 'it cannot be read',
  'no room': 'that peer has sent more than is kept of one peer, or too many peers send',
}
/** Gossip may bring these in good order, just late. */
const ordinary: ReadonlySet<Refusal> = new Set(['older than the last one'])

/** Counts the metrics that were dropped, and tells once of each sender why. */
export class Refusals {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #counter: Counter
  readonly #told = new Set<string>()
  #tellAgainAt = 0

  constructor (clock: Clock, logger: Logger, counter: Counter) {
    this.#clock = clock
    this.#logger = logger
    this.#counter = counter
  }

  add (from: PeerId, refusal: Refusal): void {
    this.#counter.add(1)
    if (ordinary.has(refusal)) return
    const moment = this.#clock.monotonic()
    if (moment >= this.#tellAgainAt) {
      this.#told.clear()
      this.#tellAgainAt = moment + tellAgainMs
    }
    if (this.#told.size >= maxTold || this.#told.has(from)) return
    this.#told.add(from)
    this.#logger.warn({ peer: from }, `a metric from peer ${from} was dropped: ${advice[refusal]}. Further ones are dropped without a word`)
  }
}
