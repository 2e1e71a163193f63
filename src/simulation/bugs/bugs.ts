import type { Peer } from '../../cluster/compose.ts'
import type { IpfsConnector } from '../../ipfs/connector.ts'
import type { Store } from '../../platform/store.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'

/** Where a planted bug gets its hands on a peer. */
export interface Bugs {
  readonly store: (store: Store, owner: SimulatedPeer) => Store
  readonly ipfs: (ipfs: IpfsConnector, owner: SimulatedPeer) => IpfsConnector
  /** After it is made, before it starts. */
  readonly peer: (peer: Peer, owner: SimulatedPeer) => void
}

/** The product as it is. */
export const noBugs: Bugs = {
  store: store => store,
  ipfs: ipfs => ipfs,
  peer: () => {},
}

/** A failure that others had in the field, put into peers from outside to see whether the checks notice. */
export interface PlantedBug {
  readonly name: string
  /** What happened, and to whom. */
  readonly story: string
  readonly plant: Bugs
}

export function plantedBug (name: string, story: string, plant: Partial<Bugs>): PlantedBug {
  return { name, story, plant: { ...noBugs, ...plant } }
}
