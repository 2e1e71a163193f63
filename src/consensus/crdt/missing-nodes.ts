import type { Platform } from '../../platform/lifecycle.ts'
import type { Network } from '../../platform/network.ts'
import type { Store } from '../../platform/store.ts'
import { BlockFetcher } from './block-fetcher.ts'
import type { ReplicaKeys } from './keys.ts'
import { isBlockOf } from './read-node.ts'
import type { Arrival, Lost, Wanted } from './walk-nodes.ts'
import type { WalkRecords } from './walk-records.ts'

/** Nodes of lists on disk that are taken at once. */
const takenFromDisk = 1_000
/** Peers that connect are asked for what is missing after this, in milliseconds. */
const peerCameMs = 2_000

export interface MissingNodesOptions {
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly records: WalkRecords
  readonly network: Network
  readonly platform: Platform
  /** Nodes that are here with all that they follow. */
  readonly heads: () => string[]
  readonly onBlock: (arrival: Arrival) => void
  readonly onLost: (lost: Lost) => void
  /** True while what has arrived already must be dealt with first. */
  readonly isFull: () => boolean
  readonly onFailure: (error: unknown) => void
}

/**
 * Searches for the blocks of nodes that are known but not here: those of the present step, those
 * that stand on disk, a part at a time as there is room, and now and then those that were left out.
 */
export class MissingNodes {
  readonly #options: MissingNodesOptions
  readonly #fetcher: BlockFetcher
  #cancelPeerCame: (() => void) | undefined
  /** How far the wanted nodes on disk have been taken; empty: to the end. */
  #cursor = ''
  /** How far nodes that were left out have been tried again. */
  #holeCursor = ''

  constructor (options: MissingNodesOptions) {
    const { store, keys } = options
    this.#options = options
    this.#fetcher = new BlockFetcher({
      ...options,
      isMerged: node => this.#isMerged(node),
      stored: async node => {
        const block = await store.get(keys.block(node))
        return block !== undefined && isBlockOf(node, block) ? block : undefined
      },
    })
  }

  /** There may be wanted nodes on disk that nobody has taken, as at the start. */
  lookOnDisk (): void { this.#fetcher.hasMore = true }

  /** True when there are wanted nodes on disk and room for them: {@link takeFromDisk}. */
  get wantsMore (): boolean { return this.#fetcher.hasRoom && (this.#fetcher.hasMore || this.#cursor !== '') }

  /** Searches for the next of the wanted nodes on disk. */
  async takeFromDisk (): Promise<void> {
    const { records } = this.#options
    const nodes = await records.listed('fetch', takenFromDisk, this.#cursor)
    const found = await records.getMany(nodes)
    // For what finds no room from here on it is begun anew: its place may be one that was gone by.
    if (this.#cursor === '') this.#fetcher.hasMore = false
    this.#cursor = nodes.length < takenFromDisk ? '' : nodes.at(-1) ?? ''
    this.#fetcher.want(nodes.map((node, i) => {
      const record = found[i]
      return record?.state === 'fetch' ? { node, from: record.from, isLinked: record.isLinked } : { node, from: undefined, isLinked: true }
    }))
  }

  /** Searches for these too, and goes on where there is room. */
  want (nodes: readonly Wanted[]): void { this.#fetcher.want(nodes) }

  /** The node is here, or nobody wants it any more. */
  forget (node: string): void { this.#fetcher.forget(node) }

  /** Nodes that were left out are tried again. */
  async retryHoles (): Promise<void> {
    const holes = await this.#options.records.listed('hole', takenFromDisk, this.#holeCursor)
    this.#holeCursor = holes.length < takenFromDisk ? '' : holes.at(-1) ?? ''
    // Each for itself, a few times: a peer that has none of them would not be asked for history for a while.
    this.#fetcher.want(holes.map(node => ({ node, from: undefined, isLinked: false })))
  }

  /** A peer has connected, which may have what others did not. Several that come together are asked together. */
  peerCame (): void {
    const { records, onFailure, platform: { clock } } = this.#options
    this.#cancelPeerCame ??= clock.after(peerCameMs, () => {
      this.#cancelPeerCame = undefined
      this.#fetcher.retry()
      if (records.summary.hole === 0) return
      this.retryHoles().catch(onFailure)
    })
  }

  /** What is being waited for is asked of other peers, at once. */
  hurry (): void { this.#fetcher.hurry() }

  stop (): void {
    this.#cancelPeerCame?.()
    this.#fetcher.stop()
  }

  #isMerged (node: string): boolean {
    const { store, keys } = this.#options
    try {
      return store.getSync(keys.processed(node)) !== undefined
    } catch {
      // The store is being opened anew: more than is needed does no harm.
      return false
    }
  }
}
