import { decodeBroadcast, encodeBroadcast } from '../consensus/crdt/broadcast-message.ts'
import { digestMetricName } from '../consensus/crdt/divergence-watch.ts'
import { ClusterError } from '../domain/errors.ts'
import { metricsTopic } from '../monitor/gossip-monitor.ts'
import type { GossipMessage, Network } from '../platform/network.ts'

/** What only our peers speak with each other. */
const ownProtocols = '/flotilla/'

/**
 * The network of a peer that says and understands only what the Go program does: every call on a
 * stream of its own, all nodes by bitswap, heads without their nodes, no digests of the pinset.
 */
export function goWire (network: Network): Network {
  return {
    ...network,
    handle: (protocol, handler) => protocol.startsWith(ownProtocols) ? () => {} : network.handle(protocol, handler),
    speaks: (peer, protocol) => !protocol.startsWith(ownProtocols) && network.speaks(peer, protocol),
    async open (peer, protocol, options) {
      if (protocol.startsWith(ownProtocols)) throw new ClusterError('PEER_UNREACHABLE', `failed to open a stream to ${peer}: this peer does not speak ${protocol}`)
      return network.open(peer, protocol, options)
    },
    async publish (topic, data) {
      if (topic === metricsTopic && Buffer.from(data).includes(digestMetricName)) return
      await network.publish(topic, plain(topic, data))
    },
    subscribe: (topic, handler, accept) => network.subscribe(topic, message => { handler(understood(topic, message)) }, accept),
  }
}

function understood (topic: string, message: GossipMessage): GossipMessage {
  const data = plain(topic, message.data)
  return data === message.data ? message : { ...message, data }
}

/** The message as the Go program sends or reads it. */
function plain (topic: string, data: Uint8Array): Uint8Array {
  if (topic === metricsTopic) return data
  try {
    const heads = decodeBroadcast(data)
    return heads.some(({ block }) => block !== undefined) ? encodeBroadcast(heads.map(({ cid }) => ({ cid, block: undefined }))) : data
  } catch {
    return data
  }
}
