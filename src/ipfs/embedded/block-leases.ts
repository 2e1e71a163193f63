import type { Clock } from '../../platform/clock.ts'
import { BlockSet, type BlockLocation } from './block-set.ts'

/** Blocks that garbage collection leaves alone until some time after the lease is released. */
export interface Lease {
  readonly blocks: BlockSet
  release (): void
}

/**
 * Which blocks were put lately. Blocks come before the pin that will hold them, often by seconds:
 * without a lease, a collection in between takes them away.
 */
export class BlockLeases {
  readonly #clock: Clock
  readonly #lastsMs: number
  readonly #held = new Set<BlockSet>()
  /** Blocks whose lease was released, in two generations: each lives between one and two times as long as promised. */
  #young = new BlockSet()
  #old = new BlockSet()
  #youngSince: number

  /** @param lastsMs how long blocks are left alone after the release */
  constructor (clock: Clock, lastsMs: number) {
    this.#clock = clock
    this.#lastsMs = lastsMs
    this.#youngSince = clock.monotonic()
  }

  begin (): Lease {
    const blocks = new BlockSet()
    this.#held.add(blocks)
    return { blocks, release: () => { if (this.#held.delete(blocks)) this.#keepAWhile(blocks) } }
  }

  has (location: BlockLocation): boolean {
    this.#age()
    for (const blocks of this.#held) if (blocks.has(location)) return true
    return this.#young.has(location) || this.#old.has(location)
  }

  /** The block lies elsewhere now. */
  moved (from: BlockLocation, to: BlockLocation): void {
    for (const blocks of [...this.#held, this.#young, this.#old]) if (blocks.has(from)) blocks.add(to)
  }

  #keepAWhile (blocks: BlockSet): void {
    if (this.#lastsMs === 0) return
    this.#age()
    this.#young.addAll(blocks)
  }

  #age (): void {
    const ageMs = this.#clock.monotonic() - this.#youngSince
    if (ageMs < this.#lastsMs || this.#lastsMs === 0) return
    this.#old = ageMs < 2 * this.#lastsMs ? this.#young : new BlockSet()
    this.#young = new BlockSet()
    this.#youngSince += ageMs
  }
}
