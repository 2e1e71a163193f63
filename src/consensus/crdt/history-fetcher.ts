import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Network } from '../../platform/network.ts'
import type { Want } from './block-fetcher.ts'
import { fetchHistory } from './history.ts'
import type { Arrival } from './walk-nodes.ts'

/** How long a peer that does not speak the protocol, or failed, is not asked again. */
const pauseMs = 5 * 60_000
/** Nodes asked for in one request. */
const maxWanted = 1_000
/** Peers of which a failure is remembered. */
const maxPeers = 1_000

export interface HistoryFetcherOptions {
  readonly network: Network
  readonly platform: Platform
  /** Nodes that are here with all that they follow. */
  readonly heads: () => string[]
  readonly isMerged: (node: string) => boolean
  readonly isFull: () => boolean
  /** False for what has come in another way. */
  readonly isWanted: (want: Want) => boolean
  readonly onNode: (arrival: Arrival) => void
  /** What did not come this way. */
  readonly onLeft: (wants: readonly Want[]) => void
}

/** Fetches nodes with all that they follow from one peer at a time, as a stream. */
export class HistoryFetcher {
  readonly #options: HistoryFetcherOptions
  /** When a peer may be asked again. */
  readonly #pausedUntil = new Map<PeerId, number>()
  readonly #stopping = new AbortController()
  #waiting: Want[] = []
  #isRunning = false
  #goOn: (() => void) | undefined

  constructor (options: HistoryFetcherOptions) { this.#options = options }

  /** Whether a peer may send what follows a node that `origin` told of. */
  mayHave (origin: PeerId | undefined): boolean { return this.#provider(origin) !== undefined }

  want (wants: readonly Want[]): void {
    this.#waiting.push(...wants)
    this.next()
  }

  /** Goes on when there is room again. */
  next (): void {
    if (this.#options.isFull()) return
    this.#goOn?.()
    if (!this.#isRunning && this.#waiting.length > 0) void this.#run()
  }

  stop (): void {
    this.#stopping.abort(new ClusterError('CANCELLED', 'this peer is stopping'))
    this.#goOn?.()
  }

  async #run (): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0 && !this.#stopping.signal.aborted) {
      const wants = this.#waiting.splice(0, maxWanted).filter(want => this.#options.isWanted(want))
      if (wants.length === 0) continue
      const provider = this.#provider(wants[0]?.origin)
      const left = provider === undefined ? wants : await this.#ask(provider, wants)
      // What one peer does not have is asked for in the other way, of all.
      this.#options.onLeft(left)
    }
    this.#isRunning = false
  }

  /** Resolves with what the peer did not send. */
  async #ask (peer: PeerId, wants: readonly Want[]): Promise<Want[]> {
    const { network, platform, heads, isMerged, onNode, isFull } = this.#options
    const left = new Map(wants.map(want => [want.node, want]))
    const origin = wants[0]?.origin
    try {
      for await (const { node, block } of fetchHistory(network, peer, { wanted: [...left.keys()], had: heads() }, { platform, signal: this.#stopping.signal, isMerged })) {
        left.delete(node)
        onNode({ node, from: origin, block })
        if (isFull()) await this.#room()
      }
      // It may have no more, or no end: nodes that came open up others, which are asked for in turn.
      if (left.size === wants.length) this.#pause(peer)
    } catch (error) {
      this.#pause(peer)
      platform.loggers.component('crdt').debug({ peer }, `history is not had from a peer: ${errorText(error)}`)
    }
    return [...left.values()]
  }

  #provider (origin: PeerId | undefined): PeerId | undefined {
    const { network, platform: { clock, random } } = this.#options
    const now = clock.monotonic()
    const peers = network.peers().filter(peer => (this.#pausedUntil.get(peer) ?? 0) <= now)
    if (origin !== undefined && peers.includes(origin)) return origin
    return peers[random.integer(Math.max(1, peers.length))]
  }

  #pause (peer: PeerId): void {
    if (this.#pausedUntil.size >= maxPeers) this.#pausedUntil.clear()
    this.#pausedUntil.set(peer, this.#options.platform.clock.monotonic() + pauseMs)
  }

  async #room (): Promise<void> {
    await new Promise<void>(resolve => { this.#goOn = resolve })
    this.#goOn = undefined
  }
}
