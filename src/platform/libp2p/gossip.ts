import type { GossipSub, Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { peerIdText } from '../../codec/peer-id-cache.ts'
import type { Clock } from '../clock.ts'
import type { GossipMessage } from '../network.ts'
import { GossipLinks } from './gossip-links.ts'
import { boundGossipMemory } from './gossip-memory.ts'
import { maxGossipMessageBytes } from './gossip-options.ts'
import { GossipReach, type GossipReachParts, type Spared } from './gossip-reach.ts'
import type { Host } from './host.ts'

/** Of a message's number, as gossipsub writes it. */
const sequenceBytes = 8

interface Subscription {
  readonly handler: (message: GossipMessage) => void
  readonly accept: ((from: PeerId) => boolean) | undefined
}

/** How gossipsub (17.1) passes a message on to the mesh, but for `excluded`. */
interface Forwarding {
  forwardMessage: (name: string, message: { readonly from?: Uint8Array, readonly seqno?: Uint8Array }, passedOnBy: string | undefined, excluded?: Spared) => void
}

export interface GossipOptions {
  readonly clock: Clock
  readonly network: GossipReachParts['network']
  /** All that this peer publishes goes straight to all connected peers, not only to those of its mesh. */
  readonly floods: boolean
  /** Calls the work; what that throws must not reach gossipsub, which calls handlers from the midst of its own. */
  readonly guard: (topic: string, work: () => void) => void
}

/** Messages to all subscribers of a topic, over gossipsub. */
export class Gossip {
  readonly #topics = new Map<string, Set<Subscription>>()
  readonly #options: GossipOptions
  #pubsub: GossipSub | undefined
  #links: GossipLinks | undefined
  readonly #reach: GossipReach

  constructor (options: GossipOptions) {
    this.#options = options
    const { clock, network, floods } = options
    this.#reach = new GossipReach({ network, clock, reached: () => this.#links?.reached(floods) ?? [] })
  }

  start (host: Host): void {
    const { pubsub } = host.services
    boundGossipMemory(pubsub)
    this.#pubsub = pubsub
    this.#links = new GossipLinks(host, this.#options.clock)
    spareForwarding(pubsub, (author, sequence) => this.#reach.spared(author, sequence))
    this.#reach.start()
    pubsub.addEventListener('message', ({ detail }) => { this.#deliver(detail) })
    for (const topic of this.#topics.keys()) this.#join(pubsub, topic)
  }

  stop (): void {
    this.#pubsub = undefined
    this.#reach.stop()
    this.#links?.stop()
  }

  /** Resolves when messages to a peer that has just connected go out, when it does not take part in gossip, or with the signal. */
  async linked (peer: PeerId, signal: AbortSignal | undefined): Promise<void> {
    // Whoever has no time left is connected all the same.
    if (this.#topics.size > 0) await this.#links?.linked(peer, signal).catch(() => {})
  }

  /** @throws ClusterError `TOO_LARGE`, `PEER_UNREACHABLE` before the network is started */
  async publish (topic: string, data: Uint8Array): Promise<void> {
    if (data.length > maxGossipMessageBytes) throw new ClusterError('TOO_LARGE', `a message of ${data.length} bytes is too large to be passed on: peers take ${maxGossipMessageBytes}`)
    if (this.#pubsub === undefined) throw new ClusterError('PEER_UNREACHABLE', 'the network of this peer is not started')
    await this.#pubsub.publish(topic, data)
  }

  subscribe (topic: string, handler: Subscription['handler'], accept: Subscription['accept']): () => void {
    const subscription = { handler, accept }
    const others = this.#topics.get(topic)
    if (others === undefined) {
      this.#topics.set(topic, new Set([subscription]))
      if (this.#pubsub !== undefined) this.#join(this.#pubsub, topic)
    } else others.add(subscription)
    return () => { this.#leave(topic, subscription) }
  }

  #join (pubsub: GossipSub, topic: string): void {
    pubsub.topicValidators.set(topic, (_passedOnBy, message) => (this.#isWanted(message) ? 'accept' : 'ignore') as TopicValidatorResult)
    pubsub.subscribe(topic)
  }

  /**
   * Nobody listens any more, which is when this peer stops. To gossipsub it stays in the topic: if
   * it left, the others would not have it back for 10 s, and it would not try for a minute.
   */
  #leave (topic: string, subscription: Subscription): void {
    const subscriptions = this.#topics.get(topic)
    if (subscriptions?.delete(subscription) === true && subscriptions.size === 0) this.#topics.delete(topic)
  }

  #isWanted (message: Message): boolean {
    if (message.type !== 'signed') return false
    const from = message.from.toString() as PeerId
    for (const { accept } of this.#topics.get(message.topic) ?? []) {
      if (accept === undefined || accept(from)) return true
    }
    return false
  }

  #deliver (message: Message): void {
    if (message.type !== 'signed') return
    const from = message.from.toString() as PeerId
    for (const { handler, accept } of this.#topics.get(message.topic) ?? []) {
      this.#options.guard(message.topic, () => { if (accept === undefined || accept(from)) handler({ from, data: message.data, sequence: message.sequenceNumber }) })
    }
  }
}

/** Passes a message on only to those whom its author, or others, have told it. */
function spareForwarding (pubsub: GossipSub, spared: GossipReach['spared']): void {
  const insides = pubsub as unknown as Forwarding
  const forward = insides.forwardMessage.bind(pubsub)
  insides.forwardMessage = (name, message, passedOnBy, excluded) => {
    const { from, seqno } = message
    forward(name, message, passedOnBy, excluded ?? (from === undefined || seqno?.length !== sequenceBytes ? undefined : spared(peerIdText(from), Buffer.from(seqno.buffer, seqno.byteOffset, sequenceBytes).readBigUInt64BE())))
  }
}
