import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { GossipMessage, Network } from './network.ts'

/** The network of a peer that is alone: what it publishes comes back to it, there is nobody to call. */
export function loneNetwork (self: PeerId): Network {
  const topics = new Map<string, Set<(message: GossipMessage) => void>>()
  const alone = (what: string): Promise<never> => Promise.reject(new ClusterError('PEER_UNREACHABLE', `cannot connect to ${what}: this peer runs alone`))
  return {
    self,
    addresses: () => [],
    peers: () => [],
    knownAddresses: () => [],
    knownPeers: () => [],
    remember: async () => {},
    connect: address => alone(address),
    onPeer: () => () => {},
    handle: () => () => {},
    speaks: () => false,
    open: peer => alone(peer),
    async publish (topic, data) {
      for (const handler of topics.get(topic) ?? []) handler({ from: self, data })
    },
    subscribe (topic, handler) {
      const handlers = topics.get(topic) ?? new Set()
      topics.set(topic, handlers.add(handler))
      return () => { handlers.delete(handler) }
    },
    serveBlocks: () => {},
    fetchBlock: cid => alone(`a peer that has ${cid.toString()}`),
    announceBlock: () => {},
    bandwidth: () => ({}),
    start: async () => {},
    stop: async () => {},
  }
}
