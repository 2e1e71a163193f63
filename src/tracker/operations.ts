import type { Cid } from '../domain/cid.ts'
import { AssertionError } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import type { Clock } from '../platform/clock.ts'
import { Operation } from './operation.ts'
import type { OperationQueue } from './operation-queue.ts'
import { OperationQueues, type QueueSizes } from './operation-queues.ts'
import { SequenceWindow } from './sequence-window.ts'
import { operationStates, transitions, type OperationEvent, type OperationState, type PresentState } from './transitions.ts'

export interface OperationTableOptions extends QueueSizes {
  readonly clock: Clock
  readonly priorityPinMaxAgeMs: number
  readonly priorityPinMaxRetries: number
  /** Called when an operation that a worker has is no longer wanted. */
  readonly superseded: (operation: Operation) => void
}

/** The text of the contract (spec/components.md 5.2). */
export const queueFullText = 'pin/unpin operation queue is full. Try increasing max_pin_queue_size'

/**
 * Pins kept in memory with the operations that wait for them. The rest is read from the pinset
 * again when its turn comes: some 300 bytes a pin are saved, and a short queue reads nothing.
 */
const maxHeldPins = 4_096
/** Characters of an error text: it comes from the IPFS node. */
const maxErrorLength = 1_024

/** Where a failed operation waits: for nothing but a recover, for its next try, or for the IPFS node. */
export type AfterFailure = 'failed' | 'parked' | { readonly retryAt: number }
/** Where in its queue an operation that is given back waits. */
export type GivenBack = 'head' | 'tail'

/** All operations, by CID and in their queues. Decides by {@link transitions}; does no I/O and waits for nothing. */
export class OperationTable {
  readonly queues: OperationQueues
  readonly window = new SequenceWindow()
  /** When {@link Operation.changedAt} was 0. */
  readonly epoch: Time
  readonly #options: OperationTableOptions
  readonly #operations = new Map<Cid, Operation>()
  /** CIDs at work, also when the operation has been superseded: the next one has to wait. */
  readonly #working = new Set<Cid>()
  readonly #counts = new Map<OperationState, number>(operationStates.map(state => [state, 0]))
  #held = 0

  constructor (options: OperationTableOptions) {
    this.#options = options
    this.epoch = options.clock.now()
    this.queues = new OperationQueues(options)
  }

  get size (): number { return this.#operations.size }
  get (cid: Cid): Operation | undefined { return this.#operations.get(cid) }
  values (): Iterable<Operation> { return this.#operations.values() }
  count (state: OperationState): number { return this.#counts.get(state) ?? 0 }
  /** When the operation changed last. */
  timestamp (operation: Operation): Time { return this.epoch + operation.changedAt }
  isCurrent (operation: Operation): boolean { return this.#operations.get(operation.cid) === operation }

  /** This peer is to hold the pin. */
  track (pin: Pin, sequence: number): void {
    const work = this.#operations.get(pin.cid)
    const otherwise = work?.state === 'pinning' && work.detail?.pin !== undefined && work.detail.pin.maxDepth !== pin.maxDepth
    this.window.open(sequence)
    this.#change(pin.cid, otherwise ? 'track_otherwise' : 'track', sequence, pin)
  }

  /** Other peers hold the pin, or its parts. */
  trackRemote (cid: Cid, sequence: number): void {
    this.window.open(sequence)
    this.#change(cid, 'track_remote', sequence, undefined)
  }

  /** The pinset no longer has it. */
  untrack (cid: Cid, sequence: number): void {
    this.window.open(sequence)
    this.#change(cid, 'untrack', sequence, undefined)
  }

  /** Queues again what failed, or what the IPFS node lost (`pin` says how it has to be); behind new pins. */
  recover (cid: Cid, pin: Pin | undefined): Operation | undefined {
    this.#change(cid, 'recover', 0, pin)
    return this.#operations.get(cid)
  }

  /** Tries again to take off what other peers hold now. Nobody is told of these: their status is `remote` all the while. */
  recoverRemotes (): void {
    for (let operation = this.queues.failedUnpins.first, next = operation?.next; operation !== undefined; operation = next, next = operation?.next) {
      if (operation.kind === 'remote') this.recover(operation.cid, undefined)
      if (this.queues.remotes.isFull) return
    }
  }

  /** A worker has taken it out of its queue. */
  start (operation: Operation): void {
    this.#advance(operation, 'start')
    operation.attempts++
    if (operation.detail !== undefined) operation.detail.error = ''
    this.#working.add(operation.cid)
  }

  /** Keeps the pin that was read for an operation at work, unless a newer one has come. */
  hold (operation: Operation, pin: Pin): Pin {
    const detail = operation.detail ??= { pin: undefined, error: '', retryAt: 0 }
    if (detail.pin === undefined) {
      detail.pin = pin
      this.#held++
    }
    return detail.pin
  }

  succeed (operation: Operation): void {
    if (transitions[operation.state].succeed.effect !== 'remove') throw new AssertionError(`succeed cannot happen to ${operation.state}`)
    this.window.close(operation.sequence)
    this.#remove(operation)
  }

  /** @returns the operation that had to be forgotten to keep the number of failed ones bounded */
  fail (operation: Operation, error: string, after: AfterFailure): Operation | undefined {
    this.#advance(operation, 'fail')
    return this.#settle(operation, error, after)
  }

  /** Back to waiting, without a verdict: the attempt does not count. */
  giveBack (operation: Operation, to: GivenBack): void {
    this.#advance(operation, 'give_back')
    operation.attempts--
    if (this.#held > maxHeldPins) this.#dropPin(operation)
    const queue = this.queues.ofTurn(operation)
    if (to === 'head') queue.prepend(operation)
    else this.#place(operation, queue)
  }

  /** The worker is done with the CID, before the verdict on the operation: what came for the CID meanwhile may start. */
  release (operation: Operation): void {
    this.#working.delete(operation.cid)
    if (this.isCurrent(operation)) return
    const next = this.#operations.get(operation.cid)
    if (next !== undefined && next.queue === 0) this.#place(next, this.queues.ofTurn(next))
  }

  /** The IPFS node answers again: what waited for it is queued. */
  requeueParked (): void {
    for (let operation = this.queues.parked.take(); operation !== undefined; operation = this.queues.parked.take()) {
      this.#advance(operation, 'requeue')
      if (operation.detail !== undefined) operation.detail.error = ''
      this.#place(operation, this.queues.ofTurn(operation))
    }
  }

  /** Moves what is due for another try to the slow lane. */
  queueDueRetries (): void {
    const now = this.#options.clock.monotonic()
    for (let operation = this.queues.retries.takeDue(now); operation !== undefined; operation = this.queues.retries.takeDue(now)) {
      const queue = this.queues.ofTurn(operation)
      if (queue.isFull) this.#keepFailed(operation)
      else queue.append(operation)
    }
  }

  #change (cid: Cid, event: OperationEvent, sequence: number, pin: Pin | undefined): void {
    const current = this.#operations.get(cid)
    const transition = transitions[current?.state ?? 'absent'][event]
    if (transition.effect === 'ignore') return
    if (transition.effect === 'replace') {
      this.#replace(current, transition.to, new Operation(current?.cid ?? ownCopy(cid), transition.to, sequence, this.#elapsed()), pin, event === 'recover')
      return
    }
    if (current === undefined || transition.effect !== 'refresh') throw new AssertionError(`${event} cannot happen to ${current?.state ?? 'absent'}`)
    this.#succeedTo(current, sequence)
    if (pin !== undefined) this.#refreshPin(current, pin)
  }

  #replace (current: Operation | undefined, to: PresentState, next: Operation, pin: Pin | undefined, recovered: boolean): void {
    if (current !== undefined) {
      if (current.kind === next.kind) {
        next.attempts = current.attempts
        next.level = current.level
      }
      if (next.sequence === 0) next.sequence = current.sequence
      else if (next.sequence !== current.sequence) this.window.close(current.sequence)
      const atWork = current.queue === 0 && this.#working.has(current.cid)
      this.#remove(current)
      if (atWork) this.#options.superseded(current)
    }
    this.#operations.set(next.cid, next)
    this.#count(to, 1)
    if (pin !== undefined) {
      const { clock, priorityPinMaxAgeMs, priorityPinMaxRetries } = this.#options
      next.isPriority = clock.now() < pin.timestamp + priorityPinMaxAgeMs && next.attempts <= priorityPinMaxRetries
      next.isAlone = !isOrdinary(pin) || next.attempts > 0
      // The pin of a recover was read before, and the pinset may have changed its mind: it is read again.
      if (!recovered && this.#held < maxHeldPins) this.hold(next, pin)
    }
    this.#place(next, recovered && next.kind === 'pin' && next.level === 0 ? this.queues.ordinary : this.queues.ofTurn(next))
  }

  #refreshPin (operation: Operation, pin: Pin): void {
    if (!isOrdinary(pin)) operation.isAlone = true
    if (operation.detail?.pin !== undefined) operation.detail.pin = pin
    else if (operation.state === 'pinning' || this.#held < maxHeldPins) this.hold(operation, pin)
  }

  #place (operation: Operation, queue: OperationQueue): void {
    // Two requests for one CID must not overtake each other at the IPFS node: release() places it.
    if (this.#working.has(operation.cid)) return
    if (!queue.isFull) {
      queue.append(operation)
      if (isSlow(operation)) this.#close(operation)
      return
    }
    this.#advance(operation, 'refuse')
    this.#settle(operation, queueFullText, 'failed')
  }

  /** Keeps what failed, with its error, where it waits. */
  #settle (operation: Operation, error: string, after: AfterFailure): Operation | undefined {
    const detail = operation.detail ??= { pin: undefined, error: '', retryAt: 0 }
    detail.error = error.length > maxErrorLength ? `${error.slice(0, maxErrorLength)}…` : error
    this.#dropPin(operation)
    if (after === 'parked' && !this.queues.parked.isFull) {
      this.queues.parked.append(operation)
      return undefined
    }
    this.#close(operation)
    if (typeof after === 'object' && !this.queues.retries.isFull) {
      this.queues.retries.add(operation, after.retryAt)
      return undefined
    }
    return this.#keepFailed(operation)
  }

  #keepFailed (operation: Operation): Operation | undefined {
    const forgotten = this.queues.keepFailed(operation)
    if (forgotten !== undefined) this.#remove(forgotten)
    return forgotten
  }

  #advance (operation: Operation, event: OperationEvent): void {
    const transition = transitions[operation.state][event]
    if (transition.effect !== 'advance' || !this.isCurrent(operation)) throw new AssertionError(`${event} cannot happen to ${operation.state}`)
    this.#count(operation.state, -1)
    operation.state = transition.to
    operation.changedAt = this.#elapsed()
    this.#count(transition.to, 1)
  }

  #remove (operation: Operation): void {
    this.queues.remove(operation)
    this.#dropPin(operation)
    this.#operations.delete(operation.cid)
    this.#count(operation.state, -1)
  }

  #dropPin (operation: Operation): void {
    if (operation.detail?.pin === undefined) return
    operation.detail.pin = undefined
    this.#held--
  }

  /** The operation now answers to a newer change; the older one is handled with it. */
  #succeedTo (operation: Operation, sequence: number): void {
    if (sequence === operation.sequence) return
    this.window.close(operation.sequence)
    operation.sequence = sequence
    if (isSlow(operation)) this.#close(operation)
  }

  #close (operation: Operation): void {
    this.window.close(operation.sequence)
    operation.sequence = 0
  }

  #count (state: OperationState, change: number): void {
    this.#counts.set(state, this.count(state) + change)
  }

  #elapsed (): number { return Math.round(this.#options.clock.now() - this.epoch) }
}

/**
 * The text on its own. A CID that was cut out of a request or put together from parts keeps all of
 * these in memory, several times its own size.
 */
function ownCopy (cid: Cid): Cid {
  return Buffer.from(cid, 'latin1').toString('latin1') as Cid
}

/** In the slow lane an operation may take for ever: the log of changes does not wait for it. */
function isSlow (operation: Operation): boolean {
  return operation.kind === 'pin' && operation.level > 0
}

/** True for a pin that can be made in one request with others. */
export function isOrdinary (pin: Pin): boolean {
  return pin.maxDepth === -1 && pin.pinUpdate === undefined && (pin.origins === null || pin.origins.length === 0)
}
