import { ClusterError } from '../domain/errors.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { GossipMessage, Network } from './network.ts'

/** The network of a peer that is alone: what it publishes comes back to it, there is nobody to call. */
export function loneNetwork (self: PeerId): Network {
  const topics = new Map<string, Set<(message: GossipMessage) => void>>()
  return {
    self,
    addresses: () => [],
    peers: () => [],
    knownAddresses: () => [],
    connect: (address: Multiaddress) => Promise.reject(new ClusterError('PEER_UNREACHABLE', `cannot connect to ${address}: this peer runs alone`)),
    async publish (topic, data) {
      for (const handler of topics.get(topic) ?? []) handler({ from: self, data })
    },
    subscribe (topic, handler) {
      const handlers = topics.get(topic) ?? new Set()
      topics.set(topic, handlers.add(handler))
      return () => { handlers.delete(handler) }
    },
    start: async () => {},
    stop: async () => {},
  }
}
