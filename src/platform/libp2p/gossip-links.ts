import type { Connection, PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { PeerId } from '../../domain/peer.ts'
import { sleep, type Clock } from '../clock.ts'
import { GossipWrites, type GossipStream } from './gossip-writes.ts'
import type { Host } from './host.ts'

/**
 * What gossipsub (17.1) keeps to itself and is needed here: it sends to a peer only over a stream
 * of its own, which it opens when it first hears of the peer and, once lost, never again; and it
 * takes a peer into a topic's mesh at once only when that stream is there before the peer's topics.
 */
interface Insides {
  readonly streamsOutbound: Map<string, GossipStream>
  readonly opts: { readonly D: number }
  /** Whom messages of a topic are sent. */
  readonly mesh: ReadonlyMap<string, ReadonlySet<string>>
  /** Topics of this peer. */
  readonly subscriptions: ReadonlySet<string>
  /** Who subscribes to what. */
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
  readonly status: { readonly heartbeatTimeout?: NodeJS.Timeout }
  readonly onPeerConnected: (peer: Libp2pPeerId, connection: Connection) => void
  readonly graftOnSubscribe: (peer: string, topic: string) => boolean
  readonly mcache: { readonly getGossipIDs: (topics: Set<string>) => Map<string, Uint8Array[]> }
  sendRpc: (peer: string, packet: Packet) => boolean
}

interface Packet {
  readonly subscriptions: readonly object[]
  readonly messages: ReadonlyArray<{ readonly data?: Uint8Array }>
  readonly control?: {
    readonly graft: ReadonlyArray<{ readonly topicID: string }>
    readonly ihave: ReadonlyArray<{ readonly topicID: string, readonly messageIDs: readonly Uint8Array[] }>
    readonly prune: readonly never[]
    readonly iwant: readonly never[]
    readonly idontwant: readonly never[]
  }
}

/** How often, and how many times, it is looked for the stream to a peer that has told its topics. */
const lookEveryMs = 10
const maxLooks = 500
/** A new connection carries gossip well within this time. */
const maxLinkMs = 1_000

/** Names of recent messages that a new subscriber is told, in all topics: the reference reads so many. */
const maxToldMessages = 5_000
/** Topics in which a peer is greeted between two heartbeats, each once: one that subscribes on and on is greeted at the next. */
const maxGreetingsPerPeer = 100

/** Receivers cut off who sends more than a MiB at once; beside the data each message has its signature and names. */
const maxPacketDataBytes = 768 * 1024
const messageOverheadBytes = 512

/**
 * Keeps the peers of a host linked for gossip: at once when they connect, and again when a link
 * broke. A new subscriber is told at once what was said lately, to ask for it: gossipsub alone
 * leaves out what was published while the subscription was on its way, and for ever, because it
 * names messages only to peers outside of the mesh. Any gossipsub peer understands this.
 */
export class GossipLinks {
  readonly #host: Host
  readonly #insides: Insides
  readonly #clock: Clock
  readonly #writes: GossipWrites
  readonly #stopping = new AbortController()
  /** In which topics peers were greeted since the last heartbeat, and whether they subscribed once more after it. */
  readonly #greeted = new Map<PeerId, Map<string, boolean>>()
  /** Greetings that still wait for a stream to the peer. */
  readonly #greetings = new Map<PeerId, Promise<void>>()

  constructor (host: Host, clock: Clock) {
    this.#host = host
    this.#insides = host.services.pubsub as unknown as Insides
    this.#clock = clock
    this.#writes = new GossipWrites(this.#insides.streamsOutbound, clock)
    this.#sendInPackets()
    host.services.pubsub.addEventListener('subscription-change', ({ detail: { peerId, subscriptions } }) => {
      this.#subscribed(peerId.toString() as PeerId, subscriptions.filter(({ subscribe }) => subscribe).map(({ topic }) => topic))
    })
    host.addEventListener('peer:disconnect', ({ detail }) => { this.#greeted.delete(detail.toString() as PeerId) })
    host.services.pubsub.addEventListener('gossipsub:heartbeat', () => {
      const greeted = [...this.#greeted]
      this.#greeted.clear()
      // A link may have broken since the greeting: who came back is told what it has missed.
      for (const [peer, topics] of greeted) this.#subscribed(peer, [...topics].filter(([, isOwed]) => isOwed).map(([topic]) => topic))
      void this.#linkAnew()
    })
  }

  /** Ends what gossipsub's own stop leaves running. */
  stop (): void {
    clearTimeout(this.#insides.status.heartbeatTimeout)
    this.#stopping.abort()
    this.#writes.flush()
  }

  /** Resolves when messages to the peer go out, or when it does not take part in gossip. */
  async linked (peer: PeerId, signal: AbortSignal | undefined): Promise<void> {
    const until = this.#clock.monotonic() + maxLinkMs
    while (!this.#isLinked(peer) && this.#clock.monotonic() < until) await sleep(this.#clock, lookEveryMs, signal)
    if (this.#isLinked(peer)) await this.#greetings.get(peer)
  }

  /** Peers to which all that this one publishes goes straight: those of its mesh, or all when it is flooded or there are no more than the mesh should have. */
  reached (floods: boolean): PeerId[] {
    const { streamsOutbound, subscriptions, topics, mesh, opts } = this.#insides
    const sent = [...subscriptions].map(topic => (floods || (topics.get(topic)?.size ?? 0) <= opts.D ? topics : mesh).get(topic))
    return [...streamsOutbound.keys()].filter(peer => sent.every(peers => peers?.has(peer))) as PeerId[]
  }

  #isLinked (peer: PeerId): boolean {
    if (!this.#insides.streamsOutbound.has(peer)) return false
    for (const peers of this.#insides.topics.values()) if (peers.has(peer)) return true
    return false
  }

  #subscribed (peer: PeerId, subscribed: readonly string[]): void {
    const topics = subscribed.filter(topic => this.#isFirst(peer, topic))
    if (topics.length === 0) return
    const greeting = this.#greetSoon(peer, topics).finally(() => { if (this.#greetings.get(peer) === greeting) this.#greetings.delete(peer) })
    this.#greetings.set(peer, greeting)
  }

  #isFirst (peer: PeerId, topic: string): boolean {
    const topics = this.#greeted.get(peer) ?? new Map<string, boolean>()
    const isKnown = topics.has(topic)
    if (!isKnown && topics.size >= maxGreetingsPerPeer) return false
    this.#greeted.set(peer, topics.set(topic, isKnown))
    return !isKnown
  }

  async #greetSoon (peer: PeerId, topics: readonly string[]): Promise<void> {
    try {
      for (let look = 0; look < maxLooks && !this.#insides.streamsOutbound.has(peer); look++) await sleep(this.#clock, lookEveryMs, this.#stopping.signal)
    } catch {
      return // The network stops.
    }
    this.#greet(peer, topics.filter(topic => this.#insides.topics.get(topic)?.has(peer)))
  }

  #greet (peer: PeerId, topics: readonly string[]): void {
    const { graftOnSubscribe, mcache, sendRpc } = this.#insides
    const graft = topics.filter(topic => graftOnSubscribe.call(this.#insides, peer, topic)).map(topicID => ({ topicID }))
    const ihave: Array<{ topicID: string, messageIDs: Uint8Array[] }> = []
    let told = 0
    for (const [topicID, messageIDs] of mcache.getGossipIDs(new Set(topics))) {
      ihave.push({ topicID, messageIDs: messageIDs.slice(0, maxToldMessages - told) })
      told = Math.min(maxToldMessages, told + messageIDs.length)
    }
    if (graft.length + told > 0) sendRpc.call(this.#insides, peer, { subscriptions: [], messages: [], control: { graft, ihave, prune: [], iwant: [], idontwant: [] } })
  }

  /** gossipsub answers a question for many messages with all of them at once, however much that is. */
  #sendInPackets (): void {
    const send = this.#insides.sendRpc.bind(this.#insides)
    this.#insides.sendRpc = (peer, packet) => packets(packet).map(part => send(peer, part)).every(Boolean)
  }

  /** At each heartbeat: connected peers to which the stream is lost get a new one. */
  async #linkAnew (): Promise<void> {
    const { protocols } = this.#host.services.pubsub
    for (const connection of this.#host.getConnections()) {
      const peer = connection.remotePeer
      // Through a relay there is no gossip: what the relay itself hears and tells costs none of its few bytes.
      if (this.#insides.streamsOutbound.has(peer.toString()) || connection.status !== 'open' || connection.limits !== undefined) continue
      const known = await this.#host.peerStore.get(peer).catch(() => undefined)
      if (known?.protocols.some(protocol => protocols.includes(protocol)) === true) this.#insides.onPeerConnected(peer, connection)
    }
  }
}

/** The packet, or several that together say the same and are each small enough. */
function packets (packet: Packet): Packet[] {
  const parts: Array<Packet['messages'][number][]> = [[]]
  let bytes = 0
  for (const message of packet.messages) {
    const size = (message.data?.length ?? 0) + messageOverheadBytes
    if (bytes > 0 && bytes + size > maxPacketDataBytes) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(message)
    bytes += size
  }
  if (parts.length === 1) return [packet]
  return parts.map((messages, index) => index === 0 ? { ...packet, messages } : { subscriptions: [], messages })
}
