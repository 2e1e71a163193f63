import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { dialledPeer } from './addresses.ts'

/** A cluster of thousands fits; a peer that names others without end fills no memory. */
const maxPeers = 16_384
/** A host with many interfaces, both IP versions and relays announces fewer. */
const maxAddressesPerPeer = 32

/** Where other peers can be dialled: what the operator and other peers have told. */
export class KnownPeers {
  readonly #self: PeerId
  readonly #addresses = new Map<PeerId, Set<Multiaddress>>()

  constructor (self: PeerId) { this.#self = self }

  /** Keeps an address that ends with its `/p2p/` part. Answers its peer, or undefined when the address is of no use. */
  add (address: Multiaddress): PeerId | undefined {
    const peer = dialledPeer(address)
    if (peer === undefined || peer === this.#self) return undefined
    let addresses = this.#addresses.get(peer)
    if (addresses === undefined) {
      if (this.#addresses.size >= maxPeers) return undefined
      this.#addresses.set(peer, addresses = new Set())
    }
    if (!addresses.has(address) && addresses.size >= maxAddressesPerPeer) addresses.delete(addresses.values().next().value as Multiaddress)
    addresses.add(address)
    return peer
  }

  addresses (peer: PeerId): readonly Multiaddress[] { return [...this.#addresses.get(peer) ?? []] }

  peers (): readonly PeerId[] { return [...this.#addresses.keys()] }
}
