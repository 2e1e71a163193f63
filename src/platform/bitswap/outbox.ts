import type { PeerId } from '../../domain/peer.ts'
import type { Clock } from '../clock.ts'
import type { Network, PeerStream } from '../network.ts'
import { frame } from './frames.ts'
import { encodeMessage, type BitswapMessage, type Want } from './message.ts'

export const bitswapProtocol = '/ipfs/bitswap/1.2.0'
/** A peer that takes no bytes for so long is not written to any more until it asks again. */
const writeTimeoutMs = 30_000

/** Writes to one peer over one stream that is kept; what comes in one turn goes out in one message. */
export class Outbox {
  readonly #peer: PeerId
  readonly #network: Pick<Network, 'open'>
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #wants = new Map<string, Want>()
  #stream: PeerStream | undefined
  #writing: Promise<void> = Promise.resolve()
  #isScheduled = false

  constructor (peer: PeerId, network: Pick<Network, 'open'>, clock: Clock) {
    this.#peer = peer
    this.#network = network
    this.#clock = clock
  }

  /** Sends the wish with others of the same turn. A later one for the same block takes its place. */
  want (key: string, want: Want): void {
    this.#wants.set(key, want)
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#writing = this.#writing.then(() => this.#flushWants())
    })
  }

  /** Resolves when there is room for more; false when the peer could not be written to. */
  async send (message: Omit<BitswapMessage, 'wants' | 'isFull'>): Promise<boolean> {
    const turn = this.#writing.then(() => this.#write({ ...message, wants: [], isFull: false }))
    this.#writing = turn.then(() => {})
    return turn
  }

  close (): void {
    this.#closing.abort()
    this.#stream?.reset()
  }

  async #flushWants (): Promise<void> {
    this.#isScheduled = false
    const wants = [...this.#wants.values()]
    this.#wants.clear()
    await this.#write({ wants, isFull: false, blocks: [], haves: [], dontHaves: [] })
  }

  async #write (message: BitswapMessage): Promise<boolean> {
    const bytes = frame(encodeMessage(message))
    // A stream that was kept may have ended at the other side: a fresh one gets a second try.
    for (let attempt = 0; attempt < 2 && !this.#closing.signal.aborted; attempt++) {
      if (this.#stream?.signal.aborted === true) this.#stream = undefined
      const isFresh = this.#stream === undefined
      const limit = new AbortController()
      const cancelTimer = this.#clock.after(writeTimeoutMs, () => { limit.abort() })
      limit.signal.addEventListener('abort', () => { this.#stream?.reset() })
      try {
        this.#stream ??= await this.#network.open(this.#peer, bitswapProtocol, { signal: AbortSignal.any([this.#closing.signal, limit.signal]) })
        await this.#stream.write(bytes)
        return true
      } catch {
        this.#stream = undefined
        if (isFresh) return false
      } finally {
        cancelTimer()
      }
    }
    return false
  }
}
