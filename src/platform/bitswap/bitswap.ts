import type { CID } from 'multiformats/cid'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { CallOptions, Platform } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { Counter } from '../metrics.ts'
import type { BlockSource, Network, PeerStream } from '../network.ts'
import { blockKey, blockKeyOfBytes, keyOfSentBlock } from './block-cids.ts'
import { readFrames } from './frames.ts'
import { decodeMessage, type BitswapMessage } from './message.ts'
import { bitswapProtocol, Outbox } from './outbox.ts'
import { PartialMessages } from './partial-messages.ts'
import { ServedBlocks } from './served-blocks.ts'
import { WantedBlocks } from './wanted-blocks.ts'

export interface BitswapOptions {
  readonly network: Pick<Network, 'open' | 'handle' | 'onPeer' | 'peers'>
  readonly source: BlockSource
  readonly platform: Platform
}

/** What other implementations send at most. */
const maxMessageBytes = 4 * 1024 * 1024
/** Streams that one peer may have open to us, each with a message on its way. The reference opens one for each message. */
const maxStreamsPerPeer = 32
/** Peers that are remembered as told of; then all are forgotten. */
const maxBlamed = 4_096

/**
 * Exchange of blocks between peers (bitswap 1.2.0, spec/wire.md 8), for the small blocks and few,
 * trusted-with-the-secret peers of a cluster: who announced a block is asked for it first and gets
 * no other question, wishes of one turn travel together, and one stream to each peer is kept.
 */
export class Bitswap {
  readonly #logger: Logger
  readonly #network: BitswapOptions['network']
  readonly #source: BlockSource
  readonly #platform: Platform
  readonly #outboxes = new Map<PeerId, Outbox>()
  readonly #streams = new Map<PeerId, number>()
  readonly #partial: PartialMessages
  readonly #blamed = new Set<PeerId>()
  readonly #refused: Counter
  readonly #wanted: WantedBlocks
  readonly #served: ServedBlocks
  readonly #ends: Array<() => void> = []

  constructor ({ network, source, platform }: BitswapOptions) {
    this.#network = network
    this.#source = source
    this.#platform = platform
    this.#logger = platform.loggers.component('bitswap')
    this.#partial = new PartialMessages(platform.clock)
    this.#refused = platform.metrics.counter('ipfscluster_bitswap_refused', 'Total number of streams, messages and wishes of other peers that were refused: unreadable, or too many')
    this.#wanted = new WantedBlocks({ clock: platform.clock, peers: () => network.peers(), send: (peer, key, want) => { this.#outbox(peer)?.want(key, want) } })
    this.#served = new ServedBlocks({
      source,
      send: async (peer, message) => await this.#outbox(peer)?.send(message) ?? false,
      onExcess: peer => { this.#blame(peer, 'asks for more blocks than it may: the rest is left out') },
    })
  }

  start (): void {
    this.#ends.push(
      this.#network.handle(bitswapProtocol, stream => { void this.#receive(stream) }),
      this.#network.onPeer((peer, isConnected) => { if (isConnected) this.#wanted.connected(peer); else this.#forget(peer) }),
    )
  }

  stop (): void {
    for (const end of this.#ends.splice(0)) end()
    this.#wanted.stop()
    for (const outbox of this.#outboxes.values()) outbox.close()
    this.#outboxes.clear()
  }

  fetch (cid: CID, { from, signal }: CallOptions & { readonly from?: PeerId | undefined }): Promise<Uint8Array> {
    return this.#wanted.fetch(cid, from, signal)
  }

  announce (cid: CID): void {
    this.#served.arrived(cid)
    const key = blockKey(cid)
    if (!this.#wanted.isWanted(key)) return
    this.#source(cid).then(block => { if (block !== undefined) this.#wanted.arrived(key, block, undefined) }, () => {})
  }

  async #receive (stream: PeerStream): Promise<void> {
    const { peer } = stream
    const streams = (this.#streams.get(peer) ?? 0) + 1
    if (streams > maxStreamsPerPeer) {
      stream.reset()
      this.#blame(peer, `has more than ${maxStreamsPerPeer} streams open: further ones are refused`)
      return
    }
    this.#streams.set(peer, streams)
    const hold = this.#partial.of(peer, () => {
      this.#blame(peer, 'has begun a message and does not end it')
      stream.reset()
    })
    try {
      // Answers go over a stream of our own.
      await stream.closeWrite()
      for await (const bytes of readFrames(stream.incoming, maxMessageBytes, hold)) this.#handle(peer, decodeMessage(bytes))
    } catch (error) {
      if (!stream.signal.aborted) this.#blame(peer, error instanceof ClusterError && error.code === 'TOO_LARGE' ? error.message : `sends what is no bitswap: ${errorText(error)}`)
      stream.reset()
    } finally {
      hold(0)
      const left = (this.#streams.get(peer) ?? 1) - 1
      if (left === 0) this.#streams.delete(peer)
      else this.#streams.set(peer, left)
    }
  }

  #handle (peer: PeerId, { wants, isFull, blocks, haves, dontHaves }: BitswapMessage): void {
    // Before the wishes: what comes with them may fulfil them.
    for (const block of blocks) {
      const key = keyOfSentBlock(block)
      // A copy: the block outlives the message that it came with.
      if (key !== undefined && this.#wanted.isWanted(key)) this.#wanted.arrived(key, block.data.slice(), peer)
    }
    for (const cid of haves) this.#wanted.has(peer, blockKeyOfBytes(cid) ?? '')
    for (const cid of dontHaves) this.#wanted.hasNot(peer, blockKeyOfBytes(cid) ?? '')
    if (wants.length > 0 || isFull) this.#served.wants(peer, wants, isFull)
  }

  #outbox (peer: PeerId): Outbox | undefined {
    let outbox = this.#outboxes.get(peer)
    if (outbox === undefined) {
      if (!this.#network.peers().includes(peer)) return undefined
      this.#outboxes.set(peer, outbox = new Outbox(peer, this.#network, this.#platform.clock))
    }
    return outbox
  }

  #forget (peer: PeerId): void {
    this.#outboxes.get(peer)?.close()
    this.#outboxes.delete(peer)
    this.#served.forget(peer)
    this.#wanted.disconnected(peer)
  }

  /** Counts, and tells once of each peer, however often it connects. */
  #blame (peer: PeerId, what: string): void {
    this.#refused.add(1)
    if (this.#blamed.has(peer)) return
    if (this.#blamed.size >= maxBlamed) this.#blamed.clear()
    this.#blamed.add(peer)
    this.#logger.warn({ peer }, `peer ${peer} ${what}`)
  }
}
