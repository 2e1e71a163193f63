import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'

/** Unary calls to one peer at a time: half of what it answers of one caller, so that streams have room beside them. */
const maxCallsAtOnce = 256

interface Line { running: number, readonly waiting: Set<() => void> }

/** Lets only so many calls to one peer go on at once; the others wait for their turn, in order. */
export class CallPlaces {
  readonly #clock: Clock
  readonly #lines = new Map<PeerId, Line>()

  constructor (clock: Clock) { this.#clock = clock }

  /**
   * Takes a place; whoever got one must {@link leave}.
   * @throws what `late` makes after `timeoutMs`; the signal's reason
   */
  async enter (peer: PeerId, timeoutMs: number, late: () => Error, signal: AbortSignal | undefined): Promise<void> {
    const line = this.#lines.get(peer) ?? { running: 0, waiting: new Set() }
    this.#lines.set(peer, line)
    if (line.running < maxCallsAtOnce) {
      line.running++
      return
    }
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        cancelTimer()
        signal?.removeEventListener('abort', abort)
        line.waiting.delete(turn)
      }
      const turn = (): void => { end(); resolve() }
      const abort = (): void => { end(); reject(signal?.reason) }
      const cancelTimer = this.#clock.after(timeoutMs, () => { end(); reject(late()) })
      line.waiting.add(turn)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Gives a place back: to the next that waits, if there is one. */
  leave (peer: PeerId): void {
    const line = this.#lines.get(peer)
    if (line === undefined) return
    const [next] = line.waiting
    if (next !== undefined) next()
    else if (--line.running === 0) this.#lines.delete(peer)
  }
}
