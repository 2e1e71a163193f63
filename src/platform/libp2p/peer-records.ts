import type { Libp2p, PeerId } from '@libp2p/interface'
import { BoundedDatastore } from './bounded-datastore.ts'

/** Far more than the peers of a cluster; what one says of itself has some KiB at most. */
const bounds = { maxEntries: 16_384, maxBytes: 32 * 1024 * 1024 }

/**
 * What libp2p knows of each peer, in memory. It forgets nobody by itself: whoever has the secret could
 * come under a new name again and again. Peers that are connected, and this one, stay.
 */
export class PeerRecords extends BoundedDatastore {
  readonly #spared = new Set<string>()

  constructor () { super(bounds) }

  /** To be called before the host starts. */
  follow (host: Pick<Libp2p, 'peerId' | 'addEventListener'>): void {
    this.#spared.add(nameOf(host.peerId))
    host.addEventListener('peer:connect', ({ detail }) => { this.#spared.add(nameOf(detail)) })
    host.addEventListener('peer:disconnect', ({ detail }) => { this.#spared.delete(nameOf(detail)) })
  }

  protected override spares (name: string): boolean { return this.#spared.has(name) }
}

/** As libp2p's peer store names its entries. */
function nameOf (peer: PeerId): string { return `/peers/${peer.toCID().toString()}` }
