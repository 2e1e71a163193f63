import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { blockLinks, isLeafCodec } from './block-links.ts'
import { BlockSet, type BlockLocation } from './block-set.ts'
import type { BlockStore } from './block-store.ts'
import { blockKey, cidParts, identityHash } from './cid-parts.ts'
import { LinkStack, type PendingLink } from './link-stack.ts'
import { maxMultihashBytes } from './segment-record.ts'

/** A block that was brought from elsewhere and now lies in the store. */
export interface FetchedBlock { readonly location: BlockLocation, readonly bytes: Uint8Array }

export interface DagWalkOptions {
  readonly store: BlockStore
  /** Where the walk may keep what does not fit into memory. */
  readonly spillPath: string
  /** Every block visited is put in here. */
  readonly visited: BlockSet
  readonly signal: AbortSignal
  /** Brings a block that is not there. Without it, what is missing is passed over. */
  readonly fetch?: (cid: Uint8Array, signal: AbortSignal) => Promise<FetchedBlock>
  /** As `fetch`, where that is left out, for blocks with links to follow alone: throwing ends the walk. */
  readonly onMissing?: (cid: Uint8Array, signal: AbortSignal) => Promise<FetchedBlock>
  /** Called for every block that is new in `visited`. */
  readonly onBlock?: () => void
}

/** Blocks that are looked up, read or fetched at a time by one walk: enough to hide the way to another node. */
const blocksAtOnce = 32
/** Blocks looked up at a time when nothing else is to do. */
const lookupsAtOnce = 256

/**
 * Visits every block below the roots once, those of the store and, with `fetch`, those of others.
 * Memory is two bits for each block visited (one more for each depth that the roots ask for) and
 * the links that wait ({@link LinkStack}).
 * @throws ClusterError of the first block that cannot be had or read; the signal's reason
 */
export async function walkDag (roots: AsyncIterable<readonly PendingLink[]> | Iterable<readonly PendingLink[]>, options: DagWalkOptions): Promise<void> {
  const walk = new DagWalk(options)
  try {
    for await (const batch of roots) {
      for (const { cid, depth } of batch) walk.stack.push([cid], depth)
      await walk.run()
    }
  } finally {
    await walk.close()
  }
}

class DagWalk {
  readonly stack: LinkStack
  readonly #options: DagWalkOptions
  /** Blocks whose links were followed, by the levels that were then still to go; -1 for all. */
  readonly #followed = new Map<number, BlockSet>()
  #controller: AbortController | undefined
  #unlink: () => void = () => {}
  #underWay = 0
  #failure: { error: unknown } | undefined
  #wake: () => void = () => {}

  constructor (options: DagWalkOptions) {
    this.#options = options
    this.stack = new LinkStack(options.spillPath)
  }

  async run (): Promise<void> {
    for (;;) {
      if (this.#failure === undefined) {
        await this.stack.settle()
        await this.#step()
      }
      if (this.#underWay === 0 && (this.stack.isEmpty || this.#failure !== undefined)) break
      if (this.#underWay > 0 && (this.stack.isEmpty || this.#underWay >= blocksAtOnce || this.#failure !== undefined)) {
        await new Promise<void>(resolve => { this.#wake = resolve })
      }
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async close (): Promise<void> {
    this.#unlink()
    await this.stack.close()
  }

  /** Looks some blocks up and begins the work on those that are new. */
  async #step (): Promise<void> {
    const { store, signal } = this.#options
    try {
      signal.throwIfAborted()
      const links = this.#take()
      const stored = links.filter(({ parts }) => parts.hashCode !== identityHash)
      const locations = await store.locate(stored.map(({ key }) => key), true)
      for (const link of links) if (link.parts.hashCode === identityHash) this.#follow(link, link.parts.digest)
      for (const [i, link] of stored.entries()) {
        const location = locations[i]
        if (location === undefined) this.#begin(this.#fetched(link))
        else if (this.#visit(location, link)) this.#begin(this.#read(link, location))
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #take (): WalkedLink[] {
    const links: WalkedLink[] = []
    const limit = this.#underWay === 0 ? lookupsAtOnce : blocksAtOnce - this.#underWay
    // A batch ends before a second block with links: going deep first keeps few waiting.
    let inner = this.#underWay
    while (links.length < limit && inner < blocksAtOnce) {
      const link = this.stack.pop()
      if (link === undefined) break
      const parts = cidParts(link.cid)
      if (!isLeafCodec(parts.codec)) inner++
      links.push({ ...link, parts, key: blockKey(parts.multihash) })
    }
    return links
  }

  #begin (work: Promise<void>): void {
    this.#underWay++
    work.catch((error: unknown) => { this.#fail(error) }).finally(() => {
      this.#underWay--
      this.#wake()
    })
  }

  async #read (link: WalkedLink, location: BlockLocation): Promise<void> {
    const bytes = await this.#options.store.readAt(link.key, location)
    if (bytes === undefined) await this.#fetched(link)
    else this.#follow(link, bytes)
  }

  async #fetched (link: WalkedLink): Promise<void> {
    const bring = this.#options.fetch ?? (goesOn(link) ? this.#options.onMissing : undefined)
    if (bring === undefined) return
    const { location, bytes } = await bring(link.cid, this.#signal())
    if (this.#visit(location, link)) this.#follow(link, bytes)
  }

  /** Counts the block as visited; true when its links are still to be followed. */
  #visit (location: BlockLocation, link: WalkedLink): boolean {
    const { visited, onBlock } = this.#options
    if (visited.add(location)) onBlock?.()
    if (!goesOn(link)) return false
    for (const [depth, blocks] of this.#followed) if ((depth < 0 || (link.depth >= 0 && depth >= link.depth)) && blocks.has(location)) return false
    let followed = this.#followed.get(link.depth)
    if (followed === undefined) this.#followed.set(link.depth, followed = new BlockSet())
    followed.add(location)
    return true
  }

  #follow (link: WalkedLink, bytes: Uint8Array): void {
    if (!goesOn(link)) return
    try {
      const cids = blockLinks(link.parts.codec, bytes)
      for (const cid of cids) if (cidParts(cid).multihash.length > maxMultihashBytes) throw new ClusterError('IPFS_ANSWER', 'it links to a CID that is too long')
      this.stack.push(cids, link.depth < 0 ? -1 : link.depth - 1)
    } catch (error) {
      throw new ClusterError('IPFS_ANSWER', `block ${cidFromBytes(link.cid)} cannot be walked: ${errorText(error)}`, { cause: error })
    }
  }

  #fail (error: unknown): void {
    this.#failure ??= { error }
    this.#controller?.abort(error)
  }

  /** Ends with the caller's signal, and when the walk fails. Made when first needed: most walks fetch nothing. */
  #signal (): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal
    const controller = this.#controller = new AbortController()
    const { signal } = this.#options
    const abort = (): void => { controller.abort(signal.reason) }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    this.#unlink = () => { signal.removeEventListener('abort', abort) }
    return controller.signal
  }
}

function goesOn ({ parts, depth }: WalkedLink): boolean { return depth !== 0 && !isLeafCodec(parts.codec) }

interface WalkedLink extends PendingLink {
  readonly parts: ReturnType<typeof cidParts>
  readonly key: string
}
