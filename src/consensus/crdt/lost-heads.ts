import type { Store, StoreEntry, StoreOperation } from '../../platform/store.ts'
import type { DeltaNode } from './delta.ts'
import { prefixEnd } from './encoding.ts'
import type { ReplicaKeys } from './keys.ts'
import { linksOf } from './read-node.ts'
import { readable } from './readable-node.ts'
import type { Replica } from './replica.ts'
import type { Writer } from './writer.ts'

const prefix = '/flotilla/looked/'
const range = { gte: prefix, lt: prefixEnd(prefix) }
/** Heads found by one look; the next one finds the others. */
const maxFound = 1_000
/** Blocks of heads that are read together. */
const blocksPerRead = 100

export interface LostHeadsOptions {
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly replica: Replica
  readonly writer: Writer
}

/**
 * Finds merged nodes that no merged one follows, and that are no heads. The Go program merges from the
 * newest node down and writes it as a head at the end: when it is stopped before, nothing leads to what it
 * has merged. What is followed is noted in the store while all nodes are looked at: there may be millions.
 */
export class LostHeads {
  readonly #options: LostHeadsOptions
  readonly #opening: number | undefined
  readonly #headsBefore: ReadonlySet<string>
  /** The blocks as of the begin: what is merged later has heads that are right. */
  readonly blocks: AsyncIterable<StoreEntry[]>

  private constructor (options: LostHeadsOptions) {
    const { store, keys, replica } = options
    this.#options = options
    this.#opening = store.openings?.()
    this.#headsBefore = new Set(replica.heads.names())
    this.blocks = store.iterate({ gte: keys.block(''), lt: prefixEnd(keys.block('')) })
  }

  static async begin (options: LostHeadsOptions): Promise<LostHeads> {
    // Of a look that was cut off.
    await options.store.clear(range)
    // Heads and blocks of one moment.
    return options.writer.turn(async () => new LostHeads(options))
  }

  /** Removes what a look has left that was cut off. @throws the reason of the signal */
  static async forget (store: Store, signal: AbortSignal): Promise<void> {
    for await (const keys of store.keys(range)) {
      signal.throwIfAborted()
      await store.batch(keys.map(key => ({ type: 'del', key })), { sync: false })
    }
  }

  /** Takes merged nodes, and the names of all that they, or others that wait to be merged, follow. */
  note (nodes: readonly DeltaNode[], followed: ReadonlySet<string>): Promise<void> {
    const operations: StoreOperation[] = nodes.map(({ blockId }) => ({ type: 'put', key: `${prefix}${blockId.slice(1)}/merged`, value: nothing }))
    for (const name of followed) operations.push({ type: 'put', key: `${prefix}${name}/followed`, value: nothing })
    return this.#options.store.batch(operations, { sync: false, opening: this.#opening })
  }

  /** Makes heads of them; resolves with their number. */
  async restore (signal: AbortSignal): Promise<number> {
    const { store, writer } = this.#options
    const names = await this.#unfollowed(signal)
    const count = names.length === 0 ? 0 : await writer.turn(() => this.#makeHeads(names), this.#opening)
    await store.clear(range)
    return count
  }

  /** @throws ClusterError `STORE_FAILED` when the store may have lost notes */
  async #unfollowed (signal: AbortSignal): Promise<string[]> {
    const { store, writer } = this.#options
    const names: string[] = []
    let followed = ''
    for await (const keys of store.keys(range)) {
      signal.throwIfAborted()
      for (const key of keys) {
        const [name = '', what] = key.slice(prefix.length).split('/')
        if (what === 'followed') followed = name
        else if (name !== followed && names.length < maxFound && !this.#headsBefore.has(name)) names.push(name)
      }
    }
    writer.refuseAnew(this.#opening)
    return names
  }

  async #makeHeads (names: readonly string[]): Promise<number> {
    const { replica, writer } = this.#options
    // What was merged during the look may follow some of them.
    const followed = new Set((await this.#nodes(replica.heads.names())).flatMap(linksOf))
    const nodes = await this.#nodes(names.filter(name => !followed.has(name) && !replica.heads.has(name)))
    if (nodes.length === 0) return 0
    const prepared = replica.prepareHeads(heads => { for (const { cid, delta, links } of nodes) heads.add(cid, delta.priority, links) })
    await writer.commit({ prepared, sync: false })
    return nodes.length
  }

  async #nodes (names: readonly string[]): Promise<DeltaNode[]> {
    const { store, keys } = this.#options
    const nodes: DeltaNode[] = []
    for (let at = 0; at < names.length; at += blocksPerRead) {
      const part = names.slice(at, at + blocksPerRead)
      const blocks = await store.getMany(part.map(name => keys.block(name)))
      nodes.push(...part.flatMap((name, i) => {
        const block = blocks[i]
        return (block && readable(name, block)) ?? []
      }))
    }
    return nodes
  }
}

const nothing = new Uint8Array(0)
