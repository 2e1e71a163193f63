import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Clock } from '../clock.ts'

/** Bytes held of messages that have come in part: of one peer room for four of the largest, and of all peers. */
const maxBytesPerPeer = 16 * 1024 * 1024
const maxBytes = 128 * 1024 * 1024
/** Whoever has begun a message has it at hand: time for all of it to come. */
const messageMs = 2 * 60_000

/** Told how many bytes a stream holds; 0 when nothing is. @throws ClusterError `TOO_LARGE` when there is no room for more */
export type Hold = (bytes: number) => void

/** Bounds what messages that never end cost: one peer may have many on their way, and many peers may come. */
export class PartialMessages {
  readonly #clock: Clock
  readonly #byPeer = new Map<PeerId, number>()
  #bytes = 0

  constructor (clock: Clock) { this.#clock = clock }

  /** For one stream; `late` is called when a message of it does not come to its end. */
  of (peer: PeerId, late: () => void): Hold {
    let held = 0
    let cancel: (() => void) | undefined
    return bytes => {
      const ofPeer = (this.#byPeer.get(peer) ?? 0) + bytes - held
      const all = this.#bytes + bytes - held
      if (bytes > held && (ofPeer > maxBytesPerPeer || all > maxBytes)) throw new ClusterError('TOO_LARGE', 'has begun more messages than there is room for')
      if (held === 0 && bytes > 0) cancel = this.#clock.after(messageMs, late)
      if (bytes === 0) cancel?.()
      held = bytes
      this.#bytes = all
      if (ofPeer > 0) this.#byPeer.set(peer, ofPeer)
      else this.#byPeer.delete(peer)
    }
  }
}
