import type { Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'
import type { TrackerStatus } from '../domain/status.ts'
import { kindOfState, operationStates, statusOfState, type OperationKind, type PresentState } from './transitions.ts'

/** What only few operations have, so that the many that wait stay small. */
export interface OperationDetail {
  /** The pin to make. Absent while many wait: it is then read from the pinset when its turn comes. */
  pin: Pin | undefined
  error: string
  /** When the next try is due, for those that wait for it: milliseconds of the monotonic clock. */
  retryAt: number
}

/**
 * How often an operation was given back because it made no progress (see slow-lane.ts): 0 in the
 * ordinary queues; at the last level it is tried to its end.
 */
export const lastLevel = 5
const maxAttempts = 0xffff

/*
 * A million operations may wait, so the small facts share one integer:
 * bits 0-3 state, 4 priority, 5 alone, 6-8 level, 9-24 attempts, 25-29 queue.
 */
const priorityBit = 1 << 4
const aloneBit = 1 << 5
const levelShift = 6
const levelMask = 7
const attemptsShift = 9
const queueShift = 25
const queueMask = 31

/** Work on one CID: pin it or unpin it. It is current as long as the table holds it under its CID. */
export class Operation {
  readonly cid: Cid
  /** The change of the pinset it answers to; 0 when that need not be read again after a restart. */
  sequence: number
  /** When the state changed last: milliseconds since the table was made, a small integer on purpose. */
  changedAt: number
  detail: OperationDetail | undefined = undefined
  /** Its neighbours in the queue it stands in. */
  next: Operation | undefined = undefined
  previous: Operation | undefined = undefined
  #bits: number

  constructor (cid: Cid, state: PresentState, sequence: number, changedAt: number) {
    this.cid = cid
    this.sequence = sequence
    this.changedAt = changedAt
    this.#bits = operationStates.indexOf(state)
  }

  get state (): PresentState { return operationStates[this.#bits & 0xf] as PresentState }
  set state (state: PresentState) { this.#bits = (this.#bits & ~0xf) | operationStates.indexOf(state) }

  get kind (): OperationKind { return kindOfState[this.state] }
  get status (): TrackerStatus { return statusOfState[this.state] }

  /** A young pin that has not failed often goes before the others. */
  get isPriority (): boolean { return (this.#bits & priorityBit) !== 0 }
  set isPriority (yes: boolean) { this.#bits = yes ? this.#bits | priorityBit : this.#bits & ~priorityBit }

  /** Not to be pinned together with others. */
  get isAlone (): boolean { return (this.#bits & aloneBit) !== 0 }
  set isAlone (yes: boolean) { this.#bits = yes ? this.#bits | aloneBit : this.#bits & ~aloneBit }

  /** 0 in the ordinary queues, more in the slow lane; up to {@link lastLevel}. */
  get level (): number { return (this.#bits >> levelShift) & levelMask }
  set level (level: number) { this.#bits = (this.#bits & ~(levelMask << levelShift)) | (Math.min(level, lastLevel) << levelShift) }

  /** How often it was tried, the present try included. */
  get attempts (): number { return (this.#bits >> attemptsShift) & maxAttempts }
  set attempts (attempts: number) {
    this.#bits = (this.#bits & ~(maxAttempts << attemptsShift)) | (Math.max(0, Math.min(attempts, maxAttempts)) << attemptsShift)
  }

  /** The number of the queue it stands in; 0 for none. */
  get queue (): number { return (this.#bits >> queueShift) & queueMask }
  set queue (queue: number) { this.#bits = (this.#bits & ~(queueMask << queueShift)) | (queue << queueShift) }
}
