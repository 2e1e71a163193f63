import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { dialledPeer } from './addresses.ts'

/** A cluster of thousands fits; a peer that names others without end fills no memory. */
const maxPeers = 16_384
/** A host with many interfaces, both IP versions and relays announces fewer. */
const maxAddressesPerPeer = 32

interface Entry {
  /** Each with whether it is lasting. */
  readonly addresses: Map<Multiaddress, boolean>
  /** Told by the operator or the cluster, not only heard of from other peers. */
  isLasting: boolean
}

/** Where other peers can be dialled: what the operator and other peers have told. */
export class KnownPeers {
  readonly #self: PeerId
  readonly #entries = new Map<PeerId, Entry>()

  constructor (self: PeerId) { this.#self = self }

  /**
   * Keeps an address that ends with its `/p2p/` part. Answers its peer, or undefined when the
   * address is of no use. When there is no room, a peer that was only heard of gives way to a
   * lasting one, and others are not taken. So do the addresses of one peer, and the one that was told
   * longest ago to a newer one of its kind: what anybody may say of a peer takes nothing that led to it.
   */
  add (address: Multiaddress, isLasting: boolean): PeerId | undefined {
    const peer = dialledPeer(address)
    if (peer === undefined || peer === this.#self) return undefined
    let entry = this.#entries.get(peer)
    if (entry === undefined) {
      if (this.#entries.size >= maxPeers && !(isLasting && this.#makeRoom())) return undefined
      this.#entries.set(peer, entry = { addresses: new Map(), isLasting })
    }
    entry.isLasting ||= isLasting
    const { addresses } = entry
    if (!addresses.has(address) && addresses.size >= maxAddressesPerPeer) {
      const [oldest] = [...addresses].find(([, isKept]) => !isKept) ?? (isLasting ? [...addresses][0] : undefined) ?? []
      if (oldest === undefined) return undefined
      addresses.delete(oldest)
    }
    const wasLasting = addresses.get(address) === true
    addresses.delete(address)
    addresses.set(address, isLasting || wasLasting)
    return peer
  }

  has (address: Multiaddress): boolean { return this.#entries.get(dialledPeer(address) as PeerId)?.addresses.has(address) === true }

  /** The one that was told last is the last: a peer may have moved. */
  addresses (peer: PeerId): readonly Multiaddress[] { return [...this.#entries.get(peer)?.addresses.keys() ?? []] }

  peers (): readonly PeerId[] { return [...this.#entries.keys()] }

  #makeRoom (): boolean {
    for (const [peer, { isLasting }] of this.#entries) {
      if (!isLasting) return this.#entries.delete(peer)
    }
    return false
  }
}
