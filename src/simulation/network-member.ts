import type { CID } from 'multiformats/cid'
import { ClusterError } from '../domain/errors.ts'
import { multiaddressPeer, parseMultiaddress } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { BlockSource, GossipMessage, Network, PeerStream } from '../platform/network.ts'
import { never, type PeerClock } from './peer-clock.ts'
import type { SimulatedNetworks } from './simulated-network.ts'

interface Subscription {
  readonly handler: (message: GossipMessage) => void
  readonly accept: ((from: PeerId) => boolean) | undefined
}

/** What one process has told the network. */
export class NetworkMember {
  readonly self: PeerId
  readonly address: Multiaddress
  readonly clock: PeerClock
  readonly handlers = new Map<string, (stream: PeerStream) => void>()
  readonly topics = new Map<string, Set<Subscription>>()
  readonly listeners = new Set<(peer: PeerId, isConnected: boolean) => void>()
  /** Blocks that it waits for, with who wakes up when somebody has one. */
  readonly wants = new Map<string, Set<() => void>>()
  source: BlockSource | undefined
  #sequence: bigint | undefined

  constructor (self: PeerId, number: number, clock: PeerClock) {
    this.self = self
    this.clock = clock
    this.address = parseMultiaddress(`/ip4/10.0.${number >> 8}.${number & 255}/tcp/9096/p2p/${self}`)
  }

  tell (peer: PeerId, isConnected: boolean): void {
    this.clock.run(() => { for (const listener of this.listeners) listener(peer, isConnected) })
  }

  accepts (topic: string, from: PeerId): boolean {
    const subscriptions = this.topics.get(topic)
    if (subscriptions === undefined || subscriptions.size === 0) return false
    return [...subscriptions].every(({ accept }) => accept?.(from) !== false)
  }

  /** The number of this process's next message: as gossipsub counts, from the wall clock of its start on. */
  nextSequence (): bigint { return this.#sequence = (this.#sequence ?? BigInt(Math.floor(this.clock.now())) * 1_000_000n) + 1n }

  deliver (topic: string, message: GossipMessage): void {
    for (const { handler, accept } of this.topics.get(topic) ?? []) {
      if (accept?.(message.from) !== false) handler(message)
    }
  }
}

/** The {@link Network} of one process. */
export function memberNetwork (networks: SimulatedNetworks, member: NetworkMember): Network {
  const { self, clock } = member
  const guarded = <T> (work: () => Promise<T>): Promise<T> => clock.isDead ? never : work()
  return {
    self,
    addresses: () => [member.address],
    peers: () => networks.connected(member).map(other => other.self),
    knownAddresses: peer => networks.addressesOf(peer),
    knownPeers: () => networks.knownPeers(self),
    remember: async () => {},
    connect: (address, { signal }) => guarded(async () => {
      const peer = multiaddressPeer(address)
      if (peer === undefined) throw new ClusterError('PEER_UNREACHABLE', `failed to dial: ${address} names no peer`)
      await networks.dial(member, peer, signal)
      return peer
    }),
    onPeer: listener => entry(member.listeners, listener),
    handle (protocol, handler) {
      member.handlers.set(protocol, handler)
      return () => { member.handlers.delete(protocol) }
    },
    speaks: (peer, protocol) => networks.speaks(member, peer, protocol),
    open: (peer, protocol, options) => guarded(() => networks.open(member, peer, protocol, options.signal)),
    publish: (topic, data) => guarded(async () => { networks.publish(member, topic, data) }),
    subscribe (topic, handler, accept) {
      const subscriptions = member.topics.get(topic) ?? new Set()
      member.topics.set(topic, subscriptions)
      return entry(subscriptions, { handler, accept })
    },
    serveBlocks: source => { member.source = source },
    fetchBlock: (cid: CID, options) => guarded(() => networks.fetchBlock(member, cid, options.from, options.signal)),
    announceBlock: cid => { networks.announceBlock(member, cid) },
    bandwidth: () => ({}),
    start: () => guarded(async () => { networks.enter(member) }),
    stop: async () => { networks.leave(member) },
  }
}

function entry<T> (set: Set<T>, item: T): () => void {
  set.add(item)
  return () => { set.delete(item) }
}
