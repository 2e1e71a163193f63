import type { Peer } from '../../cluster/compose.ts'
import type { IpfsConnector } from '../../ipfs/connector.ts'
import type { Store } from '../../platform/store.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'

/** Where a planted bug gets its hands on a peer. */
export interface Bugs {
  store (store: Store, owner: SimulatedPeer): Store
  ipfs (ipfs: IpfsConnector, owner: SimulatedPeer): IpfsConnector
  /** After it is made, before it starts. */
  peer (peer: Peer, owner: SimulatedPeer): void
}

/** The product as it is. */
export const noBugs: Bugs = {
  store: store => store,
  ipfs: ipfs => ipfs,
  peer: () => {},
}
