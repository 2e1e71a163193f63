import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'

/** Calls of one peer that are answered at a time: an order of magnitude above what a busy Go peer makes. */
const maxCallsPerPeer = 512
/** Calls of all peers: a stream and what it waits with cost some hundred KiB at worst. */
const maxCalls = 2048

/** Counts the calls that are being answered. One peer alone cannot take all places. */
export class CallLimits {
  readonly #byPeer = new Map<PeerId, number>()
  #total = 0

  get total (): number { return this.#total }

  /** Takes a place for a call; the text says why there is none. Whoever got one must {@link leave}. */
  enter (peer: PeerId): string | undefined {
    const own = this.#byPeer.get(peer) ?? 0
    if (own >= maxCallsPerPeer) return `too many calls at once: this peer answers ${maxCallsPerPeer} of one caller`
    if (this.#total >= maxCalls) return `too many calls at once: this peer answers ${maxCalls}`
    this.#byPeer.set(peer, own + 1)
    this.#total++
    return undefined
  }

  leave (peer: PeerId): void {
    this.#total--
    const own = this.#byPeer.get(peer) ?? 0
    if (own > 1) this.#byPeer.set(peer, own - 1)
    else this.#byPeer.delete(peer)
  }
}

/** Bytes of requests that have come in part; a call alone has {@link freeBytes} besides. Room for 128 of the largest blocks that IPFS nodes exchange. */
const maxPartialBytes = 256 * 1024 * 1024
/** What each call may have without being counted: less than a stream keeps for its reader anyway. */
const freeBytes = 64 * 1024

/** Bounds what half a request each of many callers can cost together. */
export class PartialBytes {
  #bytes = 0

  /**
   * Replaces what a call had counted by what it has now; returns what is counted for it.
   * @throws ClusterError `TOO_LARGE` when there is no room; nothing is changed then
   */
  count (countedBytes: number, pendingBytes: number): number {
    const now = pendingBytes > freeBytes ? pendingBytes : 0
    if (now > countedBytes && this.#bytes - countedBytes + now > maxPartialBytes) throw new ClusterError('TOO_LARGE', 'too many large requests have come in part')
    this.#bytes += now - countedBytes
    return now
  }
}
