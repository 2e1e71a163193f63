import type { GossipsubOpts, Message } from '@libp2p/gossipsub'
import { peerIdToBytes } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { NetworkSettings } from './network-settings.ts'

/** Peers of either kind take packets of a MiB; in one with a single message its signature and names must fit too. */
const maxPacketBytes = 1024 * 1024
export const maxGossipMessageBytes = maxPacketBytes - 1024
/** Not every peer counts its packets so well. */
const toleranceBytes = 16 * 1024
/** The reference does not use its configured value but this. */
const seenMessagesMs = 30 * 60 * 1000
/** Names of messages in one announcement; heartbeats are slow, so there are many. */
const maxIHaveLength = 10_000
/** Unsent bytes for one peer: one that does not read is cut off instead of filling the memory. */
const maxOutboundBytes = 8 * 1024 * 1024
/**
 * Peers are told not to send a message that has come only from this size on: to say so costs each
 * of them as much as a small message, and with that message itself it comes too late.
 */
const leastUnwantedBytes = 16 * 1024
const fromBytesInMessageId = 16

/** Gossipsub as the reference's peers have it (spec/wire.md 3, spec/components.md 9). */
export function gossipOptions ({ pubsub, followerMode }: NetworkSettings): Partial<GossipsubOpts> {
  const f = pubsub.dFactor
  return {
    D: 6 * f, Dlo: 5 * f, Dhi: 12 * f, Dscore: 4 * f, Dout: 2 * f, Dlazy: 6 * f,
    heartbeatInterval: pubsub.heartbeatIntervalMs,
    mcacheLength: pubsub.historyLength,
    mcacheGossip: pubsub.historyGossip,
    seenTTL: seenMessagesMs,
    floodPublish: pubsub.floodPublish,
    doPX: !followerMode,
    // Encoded once, not for each peer.
    batchPublish: true,
    allowPublishToZeroTopicPeers: true,
    emitSelf: true,
    idontwantMinDataSize: leastUnwantedBytes,
    globalSignaturePolicy: 'StrictSign',
    msgIdFn: messageId,
    msgIdToStrFn: id => latin1(id),
    // Tells a message that was taken before from its fields alone: each copy of it would else be
    // verified anew, and in a small cluster as many copies come as there are peers.
    fastMsgIdFn: ({ from, seqno }) => from === undefined || seqno === undefined ? '' : latin1(from.subarray(0, fromBytesInMessageId)) + latin1(seqno),
    maxInboundDataLength: maxPacketBytes + toleranceBytes,
    maxOutboundBufferSize: maxOutboundBytes,
    decodeRpcLimits: { maxSubscriptions: 1_000, maxMessages: 5_000, maxIhaveMessageIDs: maxIHaveLength, maxIwantMessageIDs: maxIHaveLength, maxIdontwantMessageIDs: maxIHaveLength, maxControlMessages: 1_000, maxPeerInfos: 64 },
    // The reference scores nobody. Its peers may share an address, and what a score punishes is
    // punished by no one else: a low one would only split the cluster.
    scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0, topics: {} },
    scoreThresholds: { acceptPXThreshold: 0 },
  }
}

function latin1 (bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** The first 16 bytes of the signer's ID and the 8 bytes of the sequence number. */
function messageId (message: Message): Uint8Array {
  if (message.type !== 'signed') return new Uint8Array()
  const id = Buffer.alloc(fromBytesInMessageId + 8)
  id.set(peerIdToBytes(message.from.toString() as PeerId).subarray(0, fromBytesInMessageId))
  id.writeBigUInt64BE(message.sequenceNumber, fromBytesInMessageId)
  return id
}
