import type { Clock } from '../../platform/clock.ts'
import { BlockSet, type BlockLocation } from './block-set.ts'

/** Blocks that garbage collection leaves alone until some time after the lease is released. */
export interface Lease {
  readonly blocks: BlockSet
  /** @param last the last block of the stream, as a rule the root of what it brought */
  release (last?: BlockLocation): void
  /** Ends the lease at once. */
  drop (): void
}

/** A lease after its release: it lasts until its time is over or the root is pinned. */
interface ReleasedLease { readonly blocks: BlockSet, readonly atMs: number, last: BlockLocation | undefined }

/** Released leases that are known one by one; older ones are only known together, and end by time alone. */
const maxReleased = 64

/**
 * Which blocks were put lately. Blocks come before the pin that will hold them, often by seconds:
 * without a lease, a collection in between takes them away.
 */
export class BlockLeases {
  readonly #clock: Clock
  readonly #lastsMs: number
  readonly #held = new Set<BlockSet>()
  /** In order of release. */
  #released: ReleasedLease[] = []
  /** Blocks of older leases, in two generations: each lives between one and two times as long as promised. */
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
    return {
      blocks,
      release: last => { if (this.#held.delete(blocks)) this.#keepAWhile(blocks, last) },
      drop: () => { this.#held.delete(blocks) },
    }
  }

  /** True when no lease waits for its root to be pinned. */
  get isSettled (): boolean { return this.#released.length === 0 }

  has (location: BlockLocation): boolean {
    this.#age()
    for (const blocks of this.#held) if (blocks.has(location)) return true
    for (const { blocks } of this.#released) if (blocks.has(location)) return true
    return this.#young.has(location) || this.#old.has(location)
  }

  /** This block and all below it are pinned: a stream that ended with it has what its lease waited for. */
  pinned (root: BlockLocation): void {
    this.#released = this.#released.filter(({ last }) => last === undefined || !isSame(last, root))
  }

  /** The block lies elsewhere now. */
  moved (from: BlockLocation, to: BlockLocation): void {
    for (const blocks of [...this.#held, ...this.#released.map(({ blocks }) => blocks), this.#young, this.#old]) if (blocks.has(from)) blocks.add(to)
    for (const lease of this.#released) if (lease.last !== undefined && isSame(lease.last, from)) lease.last = to
  }

  #keepAWhile (blocks: BlockSet, last: BlockLocation | undefined): void {
    if (this.#lastsMs === 0) return
    this.#age()
    this.#released.push({ blocks, last, atMs: this.#clock.monotonic() })
    if (this.#released.length <= maxReleased) return
    const [oldest, ...others] = this.#released as [ReleasedLease, ...ReleasedLease[]]
    this.#young.addAll(oldest.blocks)
    this.#released = others
  }

  #age (): void {
    if (this.#lastsMs === 0) return
    const now = this.#clock.monotonic()
    while ((this.#released[0]?.atMs ?? now) < now - this.#lastsMs) this.#released.shift()
    const ageMs = now - this.#youngSince
    if (ageMs < this.#lastsMs) return
    this.#old = ageMs < 2 * this.#lastsMs ? this.#young : new BlockSet()
    this.#young = new BlockSet()
    this.#youngSince = now
  }
}

function isSame (a: BlockLocation, b: BlockLocation): boolean { return a.segment === b.segment && a.ordinal === b.ordinal }
