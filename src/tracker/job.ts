import type { Operation } from './operation.ts'

/**
 * Why a job is ended before the IPFS node has answered: no block came, the batch took too long,
 * ordinary pins need the slot of the slow lane, nobody wants it any more, the peer stops.
 */
export type JobEnding = 'no_progress' | 'too_long' | 'preempted' | 'superseded' | 'stopping'

/** A node tells its progress every half second. */
const recentlyMs = 1_500

/** One request to the IPFS node for one or many operations, in one slot. */
export class Job {
  readonly kind: 'pin' | 'unpin'
  readonly operations: readonly Operation[]
  /** The level that all its operations have. */
  readonly level: number
  /** Milliseconds of the monotonic clock, as the other moments here. */
  readonly startedAt: number
  lastProgressAt: number
  /** Counts against the slow lane's share. Ends with the first progress: the content is reachable. */
  isSlow: boolean
  /** Operations that are still wanted. */
  wanted: number
  /** The node gave up on it: because a pin hung, or only because all took too long. */
  gaveUp: 'no_progress' | 'too_long' | undefined
  readonly #abort = new AbortController()
  #blocks = 0
  #ending: JobEnding | undefined

  constructor (kind: 'pin' | 'unpin', operations: readonly Operation[], isSlow: boolean, now: number) {
    this.kind = kind
    this.operations = operations
    this.level = operations[0]?.level ?? 0
    this.isSlow = isSlow
    this.startedAt = now
    this.lastProgressAt = now
    this.wanted = operations.length
  }

  get signal (): AbortSignal { return this.#abort.signal }
  get ending (): JobEnding | undefined { return this.#ending }
  get isBatch (): boolean { return this.operations.length > 1 }
  /** It is for an operation that others may not join. */
  get isAlone (): boolean { return this.operations[0]?.isAlone === true }

  progressed (blocks: number, now: number): void {
    if (blocks <= this.#blocks) return
    this.#blocks = blocks
    this.lastProgressAt = now
    this.isSlow = false
  }

  /** The node gave up on the batch. What has made progress lately was only too much for one request. */
  giveUp (now: number): 'no_progress' | 'too_long' {
    this.gaveUp ??= this.#blocks > 0 && now - this.lastProgressAt < recentlyMs ? 'too_long' : 'no_progress'
    return this.gaveUp
  }

  end (ending: JobEnding): void {
    if (this.#ending !== undefined) return
    this.#ending = ending
    this.#abort.abort()
  }
}
