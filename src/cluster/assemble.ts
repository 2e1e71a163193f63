import { hashThreads } from '../adder/hash-threads.ts'
import { consensusOf, type Configuration } from '../config/configuration.ts'
import type { Identity } from '../config/identity.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Peer } from './compose.ts'
import { datastoreRest } from './datastore-rest.ts'
import { openDatastore } from './datastore.ts'
import { ipfsNode } from './ipfs-node.ts'

/**
 * Makes a peer as its configuration says: network, datastore and IPFS node, and all that stands
 * on them. The datastore is open when this returns; nothing else runs.
 * @throws ClusterError of the datastore, `UNSUPPORTED` for Raft
 */
export async function assemblePeer (configuration: Configuration, identity: Identity, platform: Platform): Promise<Peer> {
  if (consensusOf(configuration) !== 'crdt') throw new ClusterError('UNSUPPORTED', 'Raft consensus is not in this version: make a CRDT peer with "ipfs-cluster-service init --consensus crdt" in another folder and move the pins with "state export" of the Go program and "state import"')
  // The disk is busy with the datastore while the rest of the peer is loaded.
  const [store, { composePeer }, { clusterNetwork }] = await Promise.all([openDatastore(configuration), import('./compose.ts'), import('./network.ts')])
  const peer = await composePeer(configuration, {
    self: identity.id,
    network: clusterNetwork(configuration, identity, platform),
    store,
    ipfs: hooks => ipfsNode(configuration, hooks, platform),
    platform,
    hashing: hashThreads(platform.clock),
  })
  return { ...peer, components: [...peer.components, { doing: 'looking after the datastore', component: datastoreRest(store, platform) }] }
}
