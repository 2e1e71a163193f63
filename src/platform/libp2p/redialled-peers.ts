import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Clock } from '../clock.ts'

export interface RedialledPeersOptions {
  readonly host: Pick<Libp2p, 'addEventListener' | 'getConnections' | 'peerStore'>
  readonly limits: { readonly highWater: number, readonly lowWater: number }
  /** Peers that are dialled anew however many there are: those that this one trusts by name. */
  readonly isKept: (peer: PeerId) => boolean
  readonly clock: Clock
}

/** Peers with a tag whose name begins so are dialled anew by libp2p. Its DHT also tags those that are closest to this one. */
const redialTags = 'keep-alive'
const ourTag = `${redialTags}-cluster`
/** A peer that comes back so often in so long a time closes its connections itself: others may have chosen it too. */
const maxReturns = 2
const countedForMs = 10 * 60_000

interface Chosen {
  readonly peer: PeerId
  readonly since: number
  readonly returns: number
}

/**
 * Chooses the peers that are dialled anew at once when their connection breaks: the first ones, up
 * to the low mark. All peers of a larger cluster would dial each other again as often as each of
 * them closes what it has too much. As others choose this peer too, it is at most half of the high mark.
 */
export class RedialledPeers {
  readonly #options: RedialledPeersOptions
  readonly #chosen = new Map<string, Chosen>()

  constructor (options: RedialledPeersOptions) {
    this.#options = options
    options.host.addEventListener('peer:connect', ({ detail }) => { this.#connected(detail).catch(() => {}) })
  }

  /** The peer is not dialled anew any more. */
  async release (peer: PeerId): Promise<void> {
    const { peerStore } = this.#options.host
    this.#chosen.delete(peer.toString())
    const names = [...(await peerStore.get(peer)).tags.keys()].filter(name => name.startsWith(redialTags))
    await peerStore.merge(peer, { tags: Object.fromEntries(names.map(name => [name, undefined])) })
  }

  async #connected (peer: PeerId): Promise<void> {
    const { host, isKept, clock, limits: { highWater, lowWater } } = this.#options
    const now = clock.monotonic()
    const before = this.#chosen.get(peer.toString())
    const isCounted = before !== undefined && now - before.since < countedForMs
    const chosen = isCounted ? { ...before, returns: before.returns + 1 } : { peer, since: now, returns: 0 }
    if (chosen.returns >= maxReturns && host.getConnections().length > lowWater && !isKept(peer)) return this.release(peer)
    const most = Math.max(1, Math.min(lowWater, Math.floor(highWater / 2)))
    if (before === undefined && !isKept(peer) && this.#chosen.size >= most) {
      // It takes the place of one that does not come back.
      const gone = [...this.#chosen.values()].find(other => host.getConnections(other.peer).length === 0)
      if (gone === undefined) return
      this.release(gone.peer).catch(() => {})
    }
    this.#chosen.set(peer.toString(), chosen)
    await host.peerStore.merge(peer, { tags: { [ourTag]: { value: 0 } } })
  }
}
