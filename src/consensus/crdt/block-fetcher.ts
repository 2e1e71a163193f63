import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Network } from '../../platform/network.ts'
import { cidOfMultihash } from './delta.ts'
import { HistoryFetcher } from './history-fetcher.ts'
import type { Arrival, Lost, Wanted } from './walk-nodes.ts'

/** Blocks that are asked for at the same time: enough to hide the round trips, few enough for their answers to fit into memory. */
const maxParallel = 32
/** Of these, at most so many for what one peer has told of: a peer that tells of what nobody has must not keep others waiting. */
const maxParallelOfPeer = 24
/** And at most so many for what was asked for before in vain. */
const maxParallelRetries = 8
/** Wanted nodes that are kept in memory; the others stand on disk and are taken when there is room. */
const maxQueued = 4_096
/** How long one peer is waited for before another one is asked first. */
const attemptMs = 30_000
/**
 * After each attempt in vain a node is waited for by so much longer, up to that: what nobody has must
 * not take all the places of what a peer has that was away.
 */
const retryAttemptMs = 5_000
const firstRetryMs = 1_000
const lastRetryMs = 5 * 60_000
/** After so long, and so many attempts with other peers around, a node counts as lost. */
const giveUpMs = 10 * 60_000
const giveUpAttempts = 5
/** A head that nobody has, and that nothing here follows, is forgotten after so many: if it is one, it is told of again. */
const forgetAttempts = 2

export interface Want {
  readonly node: string
  /** Who told of it, or of what follows it. */
  readonly origin: PeerId | undefined
  /** A node that is here follows it. */
  isLinked: boolean
  /** Who is asked first. */
  provider: PeerId | undefined
  attempts: number
  readonly since: number
  notBefore: number
}

export interface FetcherOptions {
  readonly network: Network
  readonly platform: Platform
  /** Nodes that are here with all that they follow. */
  readonly heads: () => string[]
  /** Whether a node is here with all that it follows. */
  readonly isMerged: (node: string) => boolean
  /** A block that is in the store already. */
  readonly stored: (node: string) => Promise<Uint8Array | undefined>
  readonly onBlock: (arrival: Arrival) => void
  readonly onLost: (lost: Lost) => void
  /** True while what has arrived already must be dealt with first. */
  readonly isFull: () => boolean
}

/** Fetches the blocks of wanted nodes, several at a time, each from one peer after the other. */
export class BlockFetcher {
  readonly #options: FetcherOptions
  /** What is to be asked for, by who told of it: each has its turn. */
  readonly #queues = new Map<PeerId | undefined, Want[]>()
  readonly #retries: Want[] = []
  /** Wanted nodes behind which more are missing: a peer that speaks our protocol sends them in one stream. */
  readonly #history: HistoryFetcher
  /** Every node that is queued, delayed or being fetched. */
  readonly #known = new Map<string, Want>()
  readonly #running = new Map<string, { readonly want: Want, readonly controller: AbortController }>()
  #delayed: Want[] = []
  #cancelTimer: (() => void) | undefined
  #isStopped = false
  /** There was no room for some wanted nodes: they stand on disk only. */
  hasMore = false

  constructor (options: FetcherOptions) {
    this.#options = options
    this.#history = new HistoryFetcher({
      ...options,
      isWanted: want => this.#known.get(want.node) === want,
      onNode: arrival => {
        this.forget(arrival.node)
        options.onBlock(arrival)
      },
      onLeft: wants => { this.#enqueue(wants) },
    })
  }

  /** True when there is room for more of those that stand on disk. */
  get hasRoom (): boolean { return this.#known.size < maxQueued / 4 }

  want (nodes: readonly Wanted[]): void {
    const now = this.#options.platform.clock.monotonic()
    const behind: Want[] = []
    for (const { node, from, isLinked } of nodes) {
      const known = this.#known.get(node)
      if (known !== undefined) {
        known.isLinked ||= isLinked
        continue
      }
      if (this.#known.size >= maxQueued) { this.hasMore = true; continue }
      const want = { node, isLinked, origin: from, provider: from, attempts: 0, since: now, notBefore: now }
      this.#known.set(node, want)
      if (isLinked && this.#history.mayHave(from)) behind.push(want)
      else this.#enqueue([want])
    }
    this.#history.want(behind)
    this.next()
  }

  #enqueue (wants: readonly Want[]): void {
    for (const want of wants) {
      if (this.#known.get(want.node) !== want) continue
      const queue = this.#queues.get(want.origin)
      if (queue === undefined) this.#queues.set(want.origin, [want])
      else queue.push(want)
    }
    this.next()
  }

  /** The node is here, or nobody wants it any more. */
  forget (node: string): void {
    if (!this.#known.delete(node)) return
    this.#running.get(node)?.controller.abort(new ClusterError('CANCELLED', 'the node is here'))
    this.#delayed = this.#delayed.filter(want => want.node !== node)
  }

  /** Tries at once what waits for its next attempt. */
  retry (): void {
    this.#retries.push(...this.#delayed.splice(0))
    this.next()
  }

  /** Tries at once what waits for its next attempt, and asks others for what is being fetched. */
  hurry (): void {
    this.retry()
    for (const { controller } of this.#running.values()) controller.abort(new ClusterError('TIMED_OUT', 'another peer is asked'))
    this.next()
  }

  /** Starts what may be started. */
  next (): void {
    this.#history.next()
    while (!this.#isStopped && this.#running.size < maxParallel && !this.#options.isFull()) {
      const want = this.#takeNext()
      if (want === undefined) return
      if (this.#known.get(want.node) === want) void this.#fetch(want)
    }
  }

  #takeNext (): Want | undefined {
    for (const [origin, queue] of this.#queues) {
      if (this.#count(want => want.origin === origin) >= maxParallelOfPeer) continue
      // To the end of the line, whoever has more.
      this.#queues.delete(origin)
      const want = queue.shift()
      if (queue.length > 0) this.#queues.set(origin, queue)
      if (want !== undefined) return want
    }
    return this.#count(want => want.attempts > 0) < maxParallelRetries ? this.#retries.shift() : undefined
  }

  #count (counts: (want: Want) => boolean): number {
    let count = 0
    for (const { want } of this.#running.values()) if (counts(want)) count++
    return count
  }

  stop (): void {
    this.#isStopped = true
    this.#history.stop()
    this.#cancelTimer?.()
    for (const { controller } of this.#running.values()) controller.abort(new ClusterError('CANCELLED', 'this peer is stopping'))
  }

  async #fetch (want: Want): Promise<void> {
    const { network, platform: { clock }, stored, onBlock } = this.#options
    const { node, origin, provider } = want
    const controller = new AbortController()
    this.#running.set(node, { want, controller })
    const limitMs = want.attempts === 0 ? attemptMs : Math.min(attemptMs, retryAttemptMs * want.attempts)
    const cancel = clock.after(limitMs, () => { controller.abort(new ClusterError('TIMED_OUT', 'no peer sent the block in time')) })
    try {
      const block = await stored(node) ?? await network.fetchBlock(cidOfMultihash(node), { signal: controller.signal, from: provider })
      if (this.#known.delete(node) && !this.#isStopped) onBlock({ node, from: origin, block })
    } catch {
      if (this.#known.has(node) && !this.#isStopped) this.#retryLater(want)
    } finally {
      cancel()
      this.#running.delete(node)
      this.next()
    }
  }

  #retryLater (want: Want): void {
    const { platform: { clock, random }, network, onLost } = this.#options
    const now = clock.monotonic()
    const others = network.peers()
    if (others.length > 0) want.attempts++
    if (want.isLinked ? want.attempts >= giveUpAttempts && now - want.since >= giveUpMs : want.attempts >= forgetAttempts) {
      this.#known.delete(want.node)
      onLost(want)
      return
    }
    want.provider = others[random.integer(Math.max(1, others.length))]
    want.notBefore = now + Math.min(firstRetryMs * 2 ** Math.min(want.attempts, 20), lastRetryMs)
    this.#delayed.push(want)
    this.#cancelTimer ??= clock.after(firstRetryMs, () => { this.#takeDue() })
  }

  #takeDue (): void {
    const now = this.#options.platform.clock.monotonic()
    this.#retries.push(...this.#delayed.filter(want => want.notBefore <= now))
    this.#delayed = this.#delayed.filter(want => want.notBefore > now)
    this.#cancelTimer = this.#delayed.length === 0 ? undefined : this.#options.platform.clock.after(firstRetryMs, () => { this.#takeDue() })
    this.next()
  }
}
