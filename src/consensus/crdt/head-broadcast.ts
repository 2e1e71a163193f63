import { createHash } from 'node:crypto'
import { encodeBase58 } from '../../domain/base58.ts'
import { errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Counter } from '../../platform/metrics.ts'
import type { GossipMessage, Network } from '../../platform/network.ts'
import { decodeBroadcast, encodeBroadcast, type AnnouncedHead } from './broadcast-message.ts'
import type { DeltaNode } from './delta.ts'
import type { Heads } from './heads.ts'
import { multihashKey } from './keys.ts'

/** A node up to this size goes with its announcement, in bytes: it saves a round trip, in a burst too… */
const maxInlineBytes = 256 * 1024
/** …but every peer sends the message to many others: all of that together stays below this. Larger nodes are cheaper to fetch. */
const maxInlineTotalBytes = 512 * 1024
/** Heads of one message: the rest goes into the next. */
const maxHeadsPerMessage = 1_000
/** Seen heads that are remembered until the next rebroadcast. */
const maxSeen = 20_000
/** The rebroadcast interval varies by this share, so that peers do not speak all at once (spec/wire.md 7). */
const intervalVariation = 0.3
/** Once in so many rebroadcasts heads are told that others tell of too: there may be peers that trust this one and not those, and those may speak more often than this one. */
const tellAllEvery = 10
/**
 * When a peer has connected, heads are told after these delays (plus as much again at random): at
 * once, when it has surely said what it wants to hear, and when it has surely been taken into the
 * gossip mesh. What is told before that may not reach it.
 */
const afterConnectMs = [500, 2_000, 11_000] as const
/** How long a stop waits for messages that are being sent, in milliseconds. */
const lastWordsMs = 2_000
/** Peers whose unreadable messages are logged. */
const maxLoggedPeers = 1_000

export interface HeadBroadcastOptions {
  readonly network: Network
  readonly clusterName: string
  readonly rebroadcastIntervalMs: number
  readonly heads: Heads
  readonly isTrusted: (peer: PeerId) => boolean
  /** Resolves when all that the heads of now are made of is on disk. */
  readonly durable: () => Promise<void>
  /** Another peer tells of a head. */
  readonly onHead: (head: AnnouncedHead, from: PeerId) => void
  readonly platform: Platform
}

/** Tells other peers of heads and hears theirs, by gossip (spec/wire.md 3, 6.3, 7). */
export class HeadBroadcast {
  readonly #options: HeadBroadcastOptions
  readonly #topic: string
  readonly #logger: Logger
  readonly #unreadable: Counter
  readonly #untrusted: Counter
  readonly #loggedStrangers = new Set<PeerId>()
  readonly #loggedPeers = new Set<PeerId>()
  readonly #ends: Array<() => void> = []
  /** Heads that somebody has told of since the last rebroadcast. */
  readonly #seen = new Set<string>()
  #rebroadcasts = 0
  /** By greeting that is due at a random moment: heads that somebody has told of since it became due. */
  readonly #seenSinceDue = new Map<number, Set<string>>()
  /** Greetings that are to be said once more, to peers that have connected too late for those that are due. */
  readonly #onceMore = new Set<number>()
  readonly #timers = new Map<number, () => void>()
  readonly #sending = new Set<Promise<void>>()

  constructor (options: HeadBroadcastOptions) {
    const { loggers, metrics } = options.platform
    this.#options = options
    this.#topic = crdtTopic(options.clusterName)
    this.#logger = loggers.component('crdt')
    this.#unreadable = metrics.counter('ipfscluster_crdt_unreadable_messages', 'Total number of messages about heads that could not be read')
    this.#untrusted = metrics.counter('ipfscluster_crdt_untrusted_messages', 'Total number of messages about heads that were dropped because their peer is not trusted')
  }

  start (): void {
    const { network } = this.#options
    this.#ends.push(
      network.subscribe(this.#topic, message => { this.#receive(message) }, from => this.#accepts(from)),
      network.onPeer((_, isConnected) => { if (isConnected) this.#greet() }))
    this.#scheduleRebroadcast()
    if (network.peers().length > 0) this.#greet()
  }

  /** Resolves when what was to be told is sent, or after some time. */
  async stop (): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    const patience = Promise.withResolvers<void>()
    const cancel = this.#options.platform.clock.after(lastWordsMs, () => { patience.resolve() })
    await Promise.race([Promise.all(this.#sending), patience.promise])
    cancel()
  }

  /** Tells of a node of ours, which is on disk. */
  tell (node: DeltaNode): void {
    const most = Math.min(maxInlineBytes, maxInlineTotalBytes / Math.max(1, this.#options.network.peers().length))
    const sent = this.#send([{ cid: node.cid, block: node.bytes.length <= most ? node.bytes : undefined }])
    this.#sending.add(sent)
    void sent.finally(() => { this.#sending.delete(sent) })
  }

  /** Tells of all heads that are not in `seen`. */
  async tellHeads (seen: ReadonlySet<string>): Promise<void> {
    const { heads, durable } = this.#options
    try {
      // Before the wait: what becomes a head meanwhile may not be on disk.
      const cids = heads.cids().filter(cid => !seen.has(multihashKey(cid.multihash.bytes)))
      await durable()
      for (let at = 0; at < cids.length; at += maxHeadsPerMessage) {
        await this.#send(cids.slice(at, at + maxHeadsPerMessage).map(cid => ({ cid, block: undefined })))
      }
    } catch (error) {
      this.#logger.warn(`heads could not be told; it is tried again: ${errorText(error)}`)
    }
  }

  async #send (heads: readonly AnnouncedHead[]): Promise<void> {
    try {
      await this.#options.network.publish(this.#topic, encodeBroadcast(heads))
    } catch (error) {
      this.#logger.debug(`a message about heads was not sent; it is told again: ${errorText(error)}`)
    }
  }

  #receive ({ from, data }: GossipMessage): void {
    const { network, onHead, isTrusted } = this.#options
    // Trust may have ended since the message was let in.
    if (!isTrusted(from)) return
    let heads: AnnouncedHead[]
    try {
      heads = decodeBroadcast(data)
    } catch (error) {
      this.#noteUnreadable(from, error)
      return
    }
    for (const head of heads) {
      this.#noteSeen(multihashKey(head.cid.multihash.bytes))
      if (from !== network.self) onHead(head, from)
    }
  }

  /** Asked of each message before it is passed on: what those say whom this peer does not trust ends here. */
  #accepts (from: PeerId): boolean {
    if (this.#options.isTrusted(from)) return true
    this.#untrusted.add(1)
    if (!this.#loggedStrangers.has(from) && this.#loggedStrangers.size < maxLoggedPeers) {
      this.#loggedStrangers.add(from)
      // Followers do it as a matter of course: they repeat what they have heard.
      this.#logger.info({ peer: from }, `peer ${from} is not in trusted_peers: what it tells of the pinset is dropped`)
    }
    return false
  }

  #noteSeen (head: string): void {
    for (const seen of [this.#seen, ...this.#seenSinceDue.values()]) if (seen.size < maxSeen) seen.add(head)
  }

  #noteUnreadable (from: PeerId, error: unknown): void {
    this.#unreadable.add(1)
    if (this.#loggedPeers.has(from) || this.#loggedPeers.size >= maxLoggedPeers) return
    this.#loggedPeers.add(from)
    this.#logger.warn({ peer: from }, `messages of a peer are dropped: ${errorText(error)}`)
  }

  #scheduleRebroadcast (): void {
    const { rebroadcastIntervalMs, platform: { random } } = this.#options
    this.#after(-1, rebroadcastIntervalMs * (1 + (2 * random.fraction() - 1) * intervalVariation), () => {
      const seen = ++this.#rebroadcasts % tellAllEvery === 0 ? new Set<string>() : new Set(this.#seen)
      this.#seen.clear()
      void this.tellHeads(seen)
      this.#scheduleRebroadcast()
    })
  }

  #greet (): void {
    for (const i of afterConnectMs.keys()) {
      if (this.#timers.has(i)) this.#onceMore.add(i)
      else this.#greetLater(i)
    }
  }

  /** Tells heads after the delay, unless another peer does so once the delay is over: only that reaches who has connected now. */
  #greetLater (i: number): void {
    const delayMs = afterConnectMs[i] as number
    this.#after(i, delayMs, () => {
      const seen = new Set<string>()
      this.#seenSinceDue.set(i, seen)
      this.#after(i, delayMs * this.#options.platform.random.fraction(), () => {
        this.#seenSinceDue.delete(i)
        void this.tellHeads(seen)
        if (this.#onceMore.delete(i)) this.#greetLater(i)
      })
    })
  }

  /** One timer for each `name`. */
  #after (name: number, delayMs: number, callback: () => void): void {
    this.#timers.set(name, this.#options.platform.clock.after(delayMs, () => {
      this.#timers.delete(name)
      callback()
    }))
  }
}

/** The gossip topic: base58btc of the MD5 multihash of the cluster's name (spec/wire.md 3). */
export function crdtTopic (clusterName: string): string {
  return encodeBase58(Buffer.concat([Uint8Array.of(0xd5, 0x01, 0x10), createHash('md5').update(clusterName).digest()]))
}
