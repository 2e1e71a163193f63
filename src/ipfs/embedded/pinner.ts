import { join } from 'node:path'
import { cidToBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { BlockExchange } from './block-exchange.ts'
import { BlockSet } from './block-set.ts'
import type { BlockStore } from './block-store.ts'
import { blockKey, cidParts } from './cid-parts.ts'
import { walkDag } from './dag-walk.ts'
import type { KeptPin, PinSet } from './pin-set.ts'
import { StallWatch } from './stall-watch.ts'

export interface PinnerOptions {
  readonly store: BlockStore
  readonly pins: PinSet
  readonly exchange: BlockExchange
  readonly clock: Clock
  /** Folder for what walks cannot hold in memory. */
  readonly walkFolder: string
  /** A pin that gets no block for this long has stalled. */
  readonly pinTimeoutMs: number
  /** Told of content that is now pinned with all below it. */
  readonly onPinned: (cid: Cid) => void
}

export interface PinWalkOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((blocks: number) => void) | undefined
}

/** Makes pins: a pin is kept when all its blocks are in the store. */
export class Pinner {
  readonly #options: PinnerOptions
  /** Pins under way, by a number of their own. */
  readonly #underWay = new Map<number, KeptPin>()
  #next = 0

  constructor (options: PinnerOptions) { this.#options = options }

  /** The pins that are being made now: garbage collection keeps what they have so far. */
  underWay (): KeptPin[] { return [...this.#underWay.values()] }

  /**
   * Walks the DAG, brings what is missing, then keeps the pin. Nothing to do when a kept pin holds as much.
   * @throws ClusterError `IPFS_STALLED`, `IPFS_ANSWER` when a block cannot be read or the CID is
   *   pinned recursively and only itself is asked for, `STORE_FULL`
   */
  async pin (pin: KeptPin, options: PinWalkOptions): Promise<void> {
    const { store, onPinned } = this.#options
    const isNew = await this.#make(pin, options)
    if (pin.depth < 0) await store.endLease(blockKey(cidParts(cidToBytes(pin.cid)).multihash))
    if (isNew && pin.depth !== 0) onPinned(pin.cid)
  }

  /** False when a kept pin holds as much. */
  async #make (pin: KeptPin, options: PinWalkOptions): Promise<boolean> {
    const { pins } = this.#options
    const number = this.#next++
    // At once: a collection that begins now keeps what this pin has.
    this.#underWay.set(number, pin)
    try {
      const kept = await pins.depth(pin.cid)
      if (kept !== undefined && holds(kept, pin.depth)) return false
      if (kept !== undefined && pin.depth === 0) throw new ClusterError('IPFS_ANSWER', `pin: ${pin.cid} already pinned recursively`)
      await this.#walk(pin, number, options)
      options.signal.throwIfAborted()
      await pins.put(pin)
      return true
    } finally {
      this.#underWay.delete(number)
    }
  }

  async #walk ({ cid, depth }: KeptPin, number: number, { signal, onProgress }: PinWalkOptions): Promise<void> {
    const { store, exchange, clock, walkFolder, pinTimeoutMs } = this.#options
    // It may have come while the pin was looked for; a listener is told of what comes later.
    signal.throwIfAborted()
    const ended = new AbortController()
    const abort = (): void => { ended.abort(signal.reason) }
    signal.addEventListener('abort', abort)
    let blocks = 0
    const watch = new StallWatch(clock, pinTimeoutMs, () => {
      ended.abort(new ClusterError('IPFS_STALLED', `pin ${cid}: no block came for ${pinTimeoutMs / 1000} s (${blocks} are here): no IPFS node that this one is connected to gives the rest`))
    })
    let fetching = false
    try {
      await walkDag([[{ cid: cidToBytes(cid), depth }]], {
        store,
        visited: new BlockSet(),
        spillPath: join(walkFolder, `pin-${number}`),
        signal: ended.signal,
        fetch: (block, walkSignal) => {
          // The wait begins with the first block that is missing: content that is here never stalls.
          if (!fetching) watch.progress()
          fetching = true
          return exchange.fetch(block, walkSignal)
        },
        onBlock: () => {
          blocks++
          if (fetching) watch.progress()
          onProgress?.(blocks)
        },
      })
    } finally {
      watch.close()
      signal.removeEventListener('abort', abort)
    }
  }
}

/** True when a pin of depth `kept` holds all that one of depth `wanted` would. */
function holds (kept: number, wanted: number): boolean {
  if (wanted === 0) return kept === 0
  return kept < 0 || (wanted > 0 && kept >= wanted)
}
