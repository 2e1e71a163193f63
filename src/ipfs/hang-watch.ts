import { ClusterError, errorText } from '../domain/errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { IpfsConnector } from './connector.ts'

/** A stream that is silent for so long is looked into, in milliseconds: a node that works hard may be, and so is one that hangs. */
const silenceMs = 10_000
/** How long the node may take then to say who it is, in milliseconds: that needs neither its disk nor its locks. */
const answerMs = 15_000

export interface HangWatchParts {
  readonly ipfs: Pick<IpfsConnector, 'id'>
  readonly clock: Clock
  /** Told once, when the node does not answer anything. */
  readonly onHung: (error: ClusterError) => void
}

/**
 * Tells a node that hangs from one that takes its time with a stream, such as the list of all its
 * pins: while nothing comes it is asked who it is. Without that, everybody who waits for the list
 * waits for as long as the node may be silent at work, which is minutes to hours.
 */
export class HangWatch {
  readonly #parts: HangWatchParts
  #heardAt: number
  #cancel: () => void = () => {}

  constructor (parts: HangWatchParts) {
    this.#parts = parts
    this.#heardAt = parts.clock.monotonic()
    this.#wait()
  }

  /** Something came. */
  heard (): void { this.#heardAt = this.#parts.clock.monotonic() }

  /** The stream has ended, or nobody reads it any more. */
  stop (): void { this.#cancel() }

  #wait (): void {
    const { clock } = this.#parts
    this.#cancel = clock.after(silenceMs, () => {
      if (clock.monotonic() - this.#heardAt < silenceMs) this.#wait()
      else this.#ask()
    })
  }

  #ask (): void {
    const { ipfs, clock, onHung } = this.#parts
    const askedAt = clock.monotonic()
    const asking = new AbortController()
    let isOver = false
    const end = (): void => {
      isOver = true
      cancelLimit()
      asking.abort()
    }
    const conclude = (failure: ClusterError | undefined): void => {
      if (isOver) return
      end()
      if (failure === undefined || this.#heardAt >= askedAt) this.#wait()
      else onHung(failure)
    }
    const cancelLimit = clock.after(answerMs, () => { conclude(new ClusterError('IPFS_UNREACHABLE', `the IPFS node does not answer: nothing came for ${(silenceMs + answerMs) / 1_000} s, and it did not say who it is either`)) })
    this.#cancel = end
    // A refusal is an answer, too.
    ipfs.id({ signal: asking.signal }).then(() => { conclude(undefined) }, (error: unknown) => {
      const isAnswer = error instanceof ClusterError && error.code === 'IPFS_ANSWER'
      conclude(isAnswer ? undefined : new ClusterError('IPFS_UNREACHABLE', errorText(error), { cause: error }))
    })
  }
}
