import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { ClusterError } from '../domain/errors.ts'
import { multiaddressPeer } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { sleep, type Clock } from './clock.ts'
import type { CallOptions } from './lifecycle.ts'
import { memoryStreams } from './memory-stream.ts'
import type { BlockSource, GossipMessage, Network, PeerStream } from './network.ts'

/** How often a block that nobody has is asked for again. */
const askAgainMs = 100

type Accept = (from: PeerId) => boolean
interface Subscription { readonly handler: (message: GossipMessage) => void, readonly accept: Accept | undefined }

/** What one peer of the network has told it. */
interface Member {
  readonly self: PeerId
  readonly handlers: Map<string, (stream: PeerStream) => void>
  readonly topics: Map<string, Set<Subscription>>
  readonly listeners: Set<(peer: PeerId, isConnected: boolean) => void>
  readonly streams: Set<PeerStream>
  source: BlockSource | undefined
}

/**
 * The networks of many peers in one process, all connected while they are started. Nothing is
 * lost, and what one sends arrives at the clock's next turn, in order.
 */
export class MemoryNetworks {
  readonly #clock: Clock
  readonly #members = new Map<PeerId, Member>()
  #published = 0n

  constructor (clock: Clock) { this.#clock = clock }

  /** The network of one more peer; it takes part from its start to its stop. */
  join (self: PeerId): Network {
    const member: Member = { self, handlers: new Map(), topics: new Map(), listeners: new Set(), streams: new Set(), source: undefined }
    return {
      self,
      addresses: () => [addressOf(self)],
      peers: () => this.#others(self),
      knownAddresses: peer => [addressOf(peer)],
      knownPeers: () => this.#others(self),
      remember: async () => {},
      connect: async address => {
        const peer = multiaddressPeer(address)
        if (peer === undefined || !this.#members.has(peer)) throw unreachable(address)
        return peer
      },
      onPeer: listener => entry(member.listeners, listener),
      handle (protocol, handler) {
        member.handlers.set(protocol, handler)
        return () => { member.handlers.delete(protocol) }
      },
      speaks: (peer, protocol) => this.#members.get(peer)?.handlers.has(protocol) === true,
      open: async (peer, protocol, options) => this.#open(member, peer, protocol, options),
      publish: async (topic, data) => { this.#publish(member, topic, data) },
      subscribe (topic, handler, accept) {
        const subscriptions = member.topics.get(topic) ?? new Set()
        member.topics.set(topic, subscriptions)
        return entry(subscriptions, { handler, accept })
      },
      serveBlocks: source => { member.source = source },
      fetchBlock: (cid, options) => this.#fetchBlock(member, cid, options),
      announceBlock: () => {},
      bandwidth: () => ({}),
      start: async () => {
        const others = [...this.#members.values()]
        this.#members.set(self, member)
        for (const other of others) this.#tell(other, self, true)
        for (const other of others) this.#tell(member, other.self, true)
      },
      stop: async () => {
        if (!this.#members.delete(self)) return
        for (const stream of member.streams) stream.reset()
        for (const other of this.#members.values()) this.#tell(other, self, false)
      },
    }
  }

  #others (self: PeerId): PeerId[] { return [...this.#members.keys()].filter(peer => peer !== self) }

  #tell (member: Member, peer: PeerId, isConnected: boolean): void {
    this.#clock.soon(() => { for (const listener of member.listeners) listener(peer, isConnected) })
  }

  #open (member: Member, peer: PeerId, protocol: string, { signal }: CallOptions): PeerStream {
    signal?.throwIfAborted()
    const other = this.#members.get(peer)
    const handler = other?.handlers.get(protocol)
    if (other === undefined || handler === undefined || !this.#members.has(member.self)) throw unreachable(peer)
    const [near, far] = memoryStreams(member.self, peer, this.#clock)
    for (const [owner, stream] of [[member, near], [other, far]] as const) {
      owner.streams.add(stream)
      stream.ended.then(() => { owner.streams.delete(stream) }, () => {})
    }
    this.#clock.soon(() => { handler(far) })
    return near
  }

  #publish (from: Member, topic: string, data: Uint8Array): void {
    const sequence = ++this.#published
    for (const member of this.#members.values()) {
      for (const { handler, accept } of member.topics.get(topic) ?? []) {
        if (accept?.(from.self) === false) continue
        this.#clock.soon(() => { handler({ from: from.self, data, sequence }) })
      }
    }
  }

  async #fetchBlock (member: Member, cid: CID, { signal, from }: CallOptions & { readonly from?: PeerId | undefined }): Promise<Uint8Array> {
    for (;;) {
      signal?.throwIfAborted()
      const others = this.#others(member.self).toSorted((a, b) => Number(b === from) - Number(a === from))
      for (const peer of others) {
        const bytes = await this.#members.get(peer)?.source?.(cid)
        if (bytes !== undefined && isBlock(cid, bytes)) return bytes
      }
      await sleep(this.#clock, askAgainMs, signal)
    }
  }
}

function isBlock (cid: CID, bytes: Uint8Array): boolean {
  return createHash('sha256').update(bytes).digest().equals(cid.multihash.digest)
}

function addressOf (peer: PeerId): Multiaddress { return `/dns4/memory/tcp/1/p2p/${peer}` as Multiaddress }

function unreachable (peer: string): ClusterError {
  return new ClusterError('PEER_UNREACHABLE', `failed to dial: ${peer} is not there`)
}

function entry<T> (set: Set<T>, item: T): () => void {
  set.add(item)
  return () => { set.delete(item) }
}
