import type { Configuration } from '../config/configuration.ts'
import type { Identity } from '../config/identity.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { libp2pNetwork } from '../platform/libp2p/libp2p-network.ts'
import type { Network } from '../platform/network.ts'

/** The network between the peers of the cluster, as its section says. */
export function clusterNetwork (configuration: Configuration, identity: Identity, platform: Platform): Network {
  const { trustedPeers } = configuration.consensus.crdt
  return libp2pNetwork({ identity, settings: configuration.cluster, platform, keptPeers: trustedPeers === 'all' ? [] : trustedPeers })
}
