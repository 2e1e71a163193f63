import { CID } from 'multiformats/cid'
import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { sleep, type Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { isDigestOf } from './block-hash.ts'
import type { BlockStore } from './block-store.ts'
import { blockKey, cidParts, type CidParts } from './cid-parts.ts'
import type { FetchedBlock } from './dag-walk.ts'
import { orAborted } from './operations.ts'
import { maxBlockBytes } from './segment-record.ts'
import { Slots } from './slots.ts'

export interface BlockExchangeOptions {
  readonly store: BlockStore
  readonly clock: Clock
  readonly logger: Logger
  /** Asks other nodes until one gives the block or the signal ends it. */
  readonly retrieve: (cid: CID, signal: AbortSignal) => Promise<Uint8Array>
  /** Told of each block that came and is on disk. */
  readonly onStored: (cid: CID) => void
}

/** Blocks that other nodes are asked for at a time: a node keeps 1024 wishes of another, and each answer is compared with all of them. */
const wantsAtOnce = 512
/** How long one block is asked for before others that wait get their turn. */
const turnMs = 10_000
/** After this the block is asked for anew: the question may have been lost on the way. */
const askAgainMs = 60_000
/** Between two questions for one block: bitswap takes a moment to forget the first. */
const pauseMs = 200

interface Want {
  readonly controller: AbortController
  readonly block: Promise<FetchedBlock>
  readonly turn: Turn
  waiters: number
}

/** What is under way for a want. */
interface Turn {
  /** Ends it: the block came another way. */
  arrived: () => void
}

/** Brings blocks from other nodes into the store. Each block is asked for once, however many want it. */
export class BlockExchange {
  readonly #options: BlockExchangeOptions
  readonly #wants = new Map<string, Want>()
  readonly #slots = new Slots(wantsAtOnce)

  constructor (options: BlockExchangeOptions) { this.#options = options }

  /** Resolves when the block is in the store; goes on asking until the signal ends it. */
  async fetch (cid: Uint8Array, signal: AbortSignal): Promise<FetchedBlock> {
    signal.throwIfAborted()
    const parts = cidParts(cid)
    const key = blockKey(parts.multihash)
    let want = this.#wants.get(key)
    if (want === undefined) this.#wants.set(key, want = this.#want(cid, parts, key))
    want.waiters++
    try {
      return await orAborted(want.block, signal)
    } finally {
      want.waiters--
      if (want.waiters === 0) {
        if (this.#wants.get(key) === want) this.#wants.delete(key)
        want.controller.abort(new ClusterError('CANCELLED', 'nobody waits for the block any more'))
      }
    }
  }

  /** To be told of blocks that came into the store another way. */
  stored (key: string): void { this.#wants.get(key)?.turn.arrived() }

  #want (cid: Uint8Array, parts: CidParts, key: string): Want {
    const controller = new AbortController()
    const turn: Turn = { arrived: () => {} }
    const block = this.#bring(cid, parts, key, controller.signal, turn)
    block.catch(() => {})
    return { controller, block, turn, waiters: 0 }
  }

  async #bring (cid: Uint8Array, parts: CidParts, key: string, signal: AbortSignal, turn: Turn): Promise<FetchedBlock> {
    const { store, clock, onStored } = this.#options
    for (;;) {
      const { promise: arrived, resolve } = Promise.withResolvers<void>()
      turn.arrived = resolve
      // Looked for again now that an arrival would be noticed: it may have come since the caller looked.
      const [location] = await store.locate([key], true)
      const present = location && await store.readAt(key, location)
      if (location !== undefined && present !== undefined) return { location, bytes: present }
      const bytes = await this.#slots.run(signal, () => this.#ask(cid, parts, signal, arrived))
      if (bytes !== undefined) {
        const stored = await store.put({ key, multihash: parts.multihash.slice(), bytes })
        onStored(CID.decode(cid))
        return { location: stored, bytes }
      }
      await sleep(clock, pauseMs, signal)
    }
  }

  /** The block, or undefined when this turn brought nothing. */
  async #ask (cid: Uint8Array, parts: CidParts, signal: AbortSignal, arrived: Promise<void>): Promise<Uint8Array | undefined> {
    const { clock, retrieve, logger } = this.#options
    const turn = new AbortController()
    const end = (): void => { turn.abort() }
    let cancelTimer = clock.after(turnMs, () => {
      if (this.#slots.isContended) end()
      else cancelTimer = clock.after(askAgainMs - turnMs, end)
    })
    signal.addEventListener('abort', end)
    try {
      const bytes = await Promise.race([retrieve(CID.decode(cid), turn.signal), arrived.then(() => undefined)])
      if (bytes === undefined) return undefined
      if (bytes.length <= maxBlockBytes && await isDigestOf(parts.hashCode, parts.digest, bytes)) return bytes
      logger.warn({ cid: cidFromBytes(cid) }, 'another node sent other content than asked for: it is thrown away')
      return undefined
    } catch (error) {
      if (error instanceof ClusterError) throw error
      if (!turn.signal.aborted) logger.debug({ cid: cidFromBytes(cid), error }, 'asking other nodes for a block failed')
      return undefined
    } finally {
      cancelTimer()
      end()
      signal.removeEventListener('abort', end)
    }
  }
}
