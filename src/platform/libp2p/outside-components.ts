import type { Connection, Libp2p, PeerId, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What the parts that help a peer to be reached take of libp2p's insides. */
export interface OutsideComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
  readonly events: Pick<Libp2p, 'addEventListener' | 'removeEventListener'>
  readonly registrar: Pick<Libp2p, 'handle' | 'unhandle'>
  readonly connectionManager: {
    getConnections (peer?: PeerId): Connection[]
    openConnection (addresses: Multiaddr[], options: { readonly signal: AbortSignal, readonly force: boolean }): Promise<Connection>
  }
  readonly addressManager: {
    getAddresses (): Multiaddr[]
    getAddressesWithMetadata (): NodeAddress[]
    confirmObservedAddr (address: Multiaddr, options?: { readonly type: 'observed' }): void
    removeObservedAddr (address: Multiaddr): void
  }
}

export interface NodeAddress { readonly multiaddr: Multiaddr, readonly type: string, readonly verified: boolean }

/** Tells whether an address is reached from everywhere (`isOfInternet`; tests take other addresses for such). */
export type IsOfInternet = (address: string) => boolean
