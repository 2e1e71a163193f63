import type { Cid } from './cid.ts'

/** A peer ID in its base58 text form (`12D3Koo…`, `Qm…`), checked by {@link parsePeerId}. */
export type PeerId = string & { readonly __brand: 'PeerId' }

/** A multiaddress in its text form, checked at the border. */
export type Multiaddress = string & { readonly __brand: 'Multiaddress' }

/** What a cluster peer says of its IPFS node. */
export interface IpfsId {
  readonly id: PeerId | undefined
  readonly addresses: readonly Multiaddress[] | null
  readonly error: string
}

/** What a cluster peer says of itself (REST `ID`, RPC `Cluster.ID`; spec/rest-api.md 2.3). */
export interface PeerInformation {
  readonly id: PeerId
  readonly addresses: readonly Multiaddress[] | null
  readonly clusterPeers: readonly PeerId[] | null
  readonly clusterPeersAddresses: readonly Multiaddress[] | null
  readonly version: string
  readonly commit: string
  readonly rpcProtocolVersion: string
  readonly error: string
  readonly ipfs: IpfsId
  readonly peername: string
}

/** What a peer says of itself and its connections, for the graph. */
export interface PeerLinks {
  readonly peername: string
  /** Undefined when its IPFS node does not answer. */
  readonly ipfsPeerId: PeerId | undefined
  /** The other members that it is connected to. */
  readonly connected: readonly PeerId[]
}

/** Who sees whom (spec/rest-api.md 2.4). */
export interface ConnectGraph {
  readonly clusterId: PeerId
  readonly idToPeername: Readonly<Record<string, string>>
  readonly ipfsLinks: Readonly<Record<string, readonly PeerId[] | null>>
  readonly clusterLinks: Readonly<Record<string, readonly PeerId[]>>
  readonly clusterTrustLinks: Readonly<Record<string, boolean>>
  readonly clusterToIpfs: Readonly<Record<string, PeerId>>
}

/** Traffic of one protocol, in bytes and bytes per second. */
export interface Bandwidth {
  readonly totalIn: number
  readonly totalOut: number
  readonly rateIn: number
  readonly rateOut: number
}

/** One line of the answer of `add` (spec/rest-api.md 2.4). `cid` is undefined on progress events. */
export interface AddedOutput {
  readonly name: string
  readonly cid: Cid | undefined
  readonly bytes: number
  readonly size: number
  readonly allocations: readonly PeerId[]
}
