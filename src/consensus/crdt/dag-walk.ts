import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { sleep } from '../../platform/clock.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Counter } from '../../platform/metrics.ts'
import type { Network } from '../../platform/network.ts'
import type { Store } from '../../platform/store.ts'
import { Wake } from '../../platform/wake.ts'
import { cidOfMultihash } from './delta.ts'
import type { ReplicaKeys } from './keys.ts'
import { MissingNodes } from './missing-nodes.ts'
import type { Replica } from './replica.ts'
import { StallWatch } from './stall-watch.ts'
import { WalkRecords, type WalkSummary } from './walk-records.ts'
import type { Announcement, Arrival, Lost, Needed } from './walk-nodes.ts'
import { WalkStep } from './walk-step.ts'
import type { Writer } from './writer.ts'

/** Announcements that wait for their step: more come again with the next rebroadcast. */
const maxAnnouncements = 10_000
/** Bytes of blocks that came with announcements; beyond, blocks are fetched. */
const maxAnnouncedBytes = 16 * 1024 * 1024
/** Nodes that one peer has told of and that were not found yet: more are not taken from it. */
const maxOpenOfPeer = 1_000
/** What peers do wrong that is remembered as told; more is only counted. */
const maxTold = 1_000
/** Bytes of blocks that wait for their step, before no more are fetched. */
const maxArrivedBytes = 16 * 1024 * 1024
/** Missing nodes that wait for their step: the next look finds the others. */
const maxNeeded = 10_000
/** What one step takes of what has come, in number and bytes. */
const maxTaken = 512
const maxTakenBytes = 4 * 1024 * 1024
const firstRetryMs = 200
const lastRetryMs = 10_000

export interface DagWalkOptions {
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly replica: Replica
  readonly writer: Writer
  readonly network: Network
  readonly platform: Platform
  /** Something below the heads is missing now. */
  readonly onHole: () => void
}

interface StepInput {
  readonly announcements: readonly Announcement[]
  readonly arrivals: readonly Arrival[]
  readonly lost: readonly Lost[]
  readonly needed: readonly Needed[]
}

/** Where the walk stands. */
export interface WalkState extends WalkSummary {
  /** For how long there has been work without progress; 0 when all is well. */
  readonly stalledMs: number
}

/**
 * Brings in what other peers tell of: fetches nodes down to those that are merged, and merges
 * them upwards, so that a node is merged only when all its ancestors are. What is unfinished
 * stands on disk and goes on after a restart; in memory is only what is being worked on.
 */
export class DagWalk {
  readonly #options: DagWalkOptions
  readonly records: WalkRecords
  readonly #missing: MissingNodes
  readonly #stalls: StallWatch
  readonly #logger: Logger
  readonly #metrics: { readonly merged: Counter, readonly dropped: Counter, readonly bad: Counter, readonly leftOut: Counter, readonly stalls: Counter }
  readonly #open = new Map<PeerId, Set<string>>()
  readonly #told = new Set<string>()
  #announcements: Announcement[] = []
  #announcedBytes = 0
  #arrivals: Arrival[] = []
  #arrivedBytes = 0
  #lost: Lost[] = []
  #needed: Needed[] = []
  #hasDrains = true
  readonly #wake = new Wake()
  #running: Promise<void> | undefined
  #failing: string | undefined

  constructor (options: DagWalkOptions) {
    const { store, writer, platform: { clock, loggers, metrics } } = options
    this.#options = options
    this.#logger = loggers.component('crdt')
    this.records = new WalkRecords(store)
    this.#missing = new MissingNodes({
      ...options,
      records: this.records,
      heads: () => options.replica.heads.names(),
      onBlock: arrival => { this.#arrive(arrival) },
      onLost: lost => { this.#lost.push(lost); this.#wake.call() },
      isFull: () => this.#arrivedBytes >= maxArrivedBytes,
      onFailure: error => { this.#noteFailure(error) },
    })
    this.#stalls = new StallWatch({ hasWork: () => unmerged(this.records.summary) > 0, onStall: () => { this.#noteStall() }, clock })
    writer.onReload(() => this.#reload())
    this.#metrics = {
      merged: metrics.counter('ipfscluster_crdt_merged_nodes', 'Total number of nodes of other peers that were merged into the pinset'),
      dropped: metrics.counter('ipfscluster_crdt_dropped_heads', 'Total number of heads told by other peers that were not taken: too many at once'),
      bad: metrics.counter('ipfscluster_crdt_bad_nodes', 'Total number of blocks of other peers that are no nodes of the pinset, or not those that were asked for'),
      leftOut: metrics.counter('ipfscluster_crdt_left_out_elements', 'Total number of elements in nodes of other peers that are no pins of their key'),
      stalls: metrics.counter('ipfscluster_crdt_stalls', 'Total number of times that nodes were missing and none came for a minute'),
    }
    metrics.gauge('ipfscluster_crdt_unmerged_nodes', 'Current number of nodes that are known but not merged', () => unmerged(this.records.summary))
    metrics.gauge('ipfscluster_crdt_holes', 'Current number of nodes that could not be had and are left out', () => this.records.summary.hole)
  }

  async load (): Promise<void> { await this.records.load() }

  start (signal: AbortSignal): void {
    this.#running = this.#run(signal)
    this.#stalls.start()
  }

  /** Resolves when nothing runs any more; the signal of {@link start} ends it. */
  async stopped (): Promise<void> {
    this.#stalls.stop()
    this.#missing.stop()
    await this.#running
  }

  /** Takes a node that a peer tells of, if it is not known. */
  announce (announcement: Announcement): void {
    const { from, node } = announcement
    const { heads, isOwn } = this.#options.replica
    // The Go program tells of all its heads in one message, in the same order each time: those that are here must not take the room of the others.
    if (isOwn && heads.has(node)) return
    if (this.#announcements.length >= maxAnnouncements || !this.#mayTell(from, node)) {
      this.#metrics.dropped.add(1)
      return
    }
    const bytes = announcement.block?.length ?? 0
    const hasRoom = this.#announcedBytes + bytes <= maxAnnouncedBytes
    this.#announcements.push(hasRoom ? announcement : { ...announcement, block: undefined })
    if (hasRoom) this.#announcedBytes += bytes
    this.#wake.call()
  }

  /** Takes nodes that are missing below the heads. */
  need (nodes: readonly Needed[]): void {
    this.#needed.push(...nodes.slice(0, Math.max(0, maxNeeded - this.#needed.length)))
    this.#wake.call()
  }

  /** Nodes that were left out are tried again. */
  retryHoles (): Promise<void> { return this.#missing.retryHoles() }

  /** A peer has connected, which may have what others did not. */
  peerCame (): void { this.#missing.peerCame() }

  /** What is being waited for is asked of other peers, at once. */
  hurry (): void { this.#missing.hurry() }

  /** The highest priority among nodes that are not merged. */
  get highestPriority (): number { return this.records.summary.highestPriority }

  get state (): WalkState { return { ...this.records.summary, stalledMs: this.#stalls.stalledMs } }

  #mayTell (from: PeerId | undefined, node: string): boolean {
    if (from === undefined) return true
    const open = this.#open.get(from) ?? new Set()
    if (open.size >= maxOpenOfPeer) return open.has(node)
    this.#open.set(from, open.add(node))
    return true
  }

  #arrive (arrival: Arrival): void {
    this.#arrivals.push(arrival)
    this.#arrivedBytes += arrival.block.length
    this.#wake.call()
  }

  #hasWork (): boolean {
    return this.#announcements.length > 0 || this.#arrivals.length > 0 || this.#lost.length > 0 || this.#needed.length > 0 || this.#hasDrains || this.records.summary.ready > 0 || this.#missing.wantsMore
  }

  async #run (signal: AbortSignal): Promise<void> {
    if (this.records.summary.fetch > 0) this.#missing.lookOnDisk()
    let delay = firstRetryMs
    while (!signal.aborted) {
      if (!this.#hasWork()) {
        await this.#wake.rest(signal)
        continue
      }
      try {
        await this.#options.writer.turn(() => this.#step())
        delay = firstRetryMs
        this.#failing = undefined
      } catch (error) {
        this.#noteFailure(error)
        // Not the store's error but one that something in the input brings about: the rest goes on without it.
        if (!(error instanceof ClusterError)) this.#drop(this.#next())
        await sleep(this.#options.platform.clock, delay, signal).catch(() => {})
        delay = Math.min(delay * 2, lastRetryMs)
      }
    }
  }

  async #step (): Promise<void> {
    const { store, keys, platform: { random } } = this.#options
    if (this.#missing.wantsMore) await this.#missing.takeFromDisk()
    const input = this.#next()
    const { announcements, arrivals, lost, needed } = input
    const step = new WalkStep({ store, keys, records: this.records, random })
    await step.announce(announcements)
    await step.arrive(arrivals)
    await step.giveUp(lost)
    await step.need(needed)
    const drains = this.#hasDrains ? await this.records.listed('drain', maxTaken) : []
    await step.drain(drains)
    await step.takeReady()
    await step.drain([])
    await this.#commit(step)

    this.#drop(input)
    this.#hasDrains = step.leavesDrains || drains.length === maxTaken
    const taken = [...announcements.map(({ node }) => node), ...arrivals.map(({ node }) => node), ...lost.map(({ node }) => node)]
    this.#close(taken, new Set(step.wanted.map(({ node }) => node)))
    for (const { node } of [...arrivals, ...step.merged.map(({ node }) => ({ node: node.blockId.slice(1) }))]) this.#missing.forget(node)
    const coming = new Set(this.#arrivals.map(({ node }) => node))
    this.#missing.want(step.wanted.filter(({ node }) => !coming.has(node)))
    this.#tell(step)
  }

  /** What the next step takes. */
  #next (): StepInput {
    let bytes = 0
    let length = 0
    while (length < Math.min(this.#arrivals.length, maxTaken) && bytes < maxTakenBytes) bytes += this.#arrivals[length++]?.block.length ?? 0
    return {
      announcements: this.#announcements.slice(0, maxTaken),
      arrivals: this.#arrivals.slice(0, length),
      lost: this.#lost.slice(0, maxTaken),
      needed: this.#needed.slice(0, maxTaken),
    }
  }

  #drop ({ announcements, arrivals, lost, needed }: StepInput): void {
    this.#announcements.splice(0, announcements.length)
    this.#arrivals.splice(0, arrivals.length)
    this.#lost.splice(0, lost.length)
    this.#needed.splice(0, needed.length)
    for (const { block } of announcements) this.#announcedBytes -= block?.length ?? 0
    for (const { block } of arrivals) this.#arrivedBytes -= block.length
  }

  async #commit (step: WalkStep): Promise<void> {
    const { replica, writer } = this.#options
    const extra = step.operations()
    if (step.merged.length === 0 && extra.length === 0) return
    const prepared = step.merged.length === 0 ? undefined : await replica.prepareForeign(step.merged)
    await writer.commit({ prepared, extra, sync: false })
    step.change.apply()
    for (const [peer, count] of prepared?.leftOut ?? []) {
      this.#metrics.leftOut.add(count)
      if (this.#isNews(peer, 'elements')) this.#logger.warn({ peer }, 'a node of the pinset has elements that are no pins of their key; such are left out')
    }
  }

  /** Who told of a node that is not searched for any more may tell of others. */
  #close (nodes: readonly string[], wanted: ReadonlySet<string>): void {
    for (const [from, open] of this.#open) {
      for (const node of nodes) if (!wanted.has(node)) open.delete(node)
      if (open.size === 0) this.#open.delete(from)
    }
  }

  #tell (step: WalkStep): void {
    const { network, onHole } = this.#options
    for (const { node, reason, from } of step.bad) {
      this.#metrics.bad.add(1)
      if (this.#isNews(from, 'nodes')) this.#logger.error({ cid: cidOfMultihash(node).toString(), peer: from }, `a node of the pinset cannot be read and counts as empty: ${reason}. Further ones of the same peer count so without a word`)
    }
    for (const peer of step.forged) {
      this.#metrics.bad.add(1)
      if (this.#isNews(peer, 'blocks')) this.#logger.warn({ peer }, 'a peer sends blocks that are not those it names; they are dropped')
    }
    if (step.merged.length > 0 || step.arrived > 0) this.#stalls.progress()
    for (const { node } of step.merged) network.announceBlock(node.cid)
    this.#metrics.merged.add(step.merged.length)
    if (step.holes > 0) {
      this.#logger.error(`${step.holes} nodes of the pinset could not be had from any peer: what follows them is merged without them, and they are searched for from time to time`)
      onHole()
    }
  }

  #noteStall (): void {
    const { fetch, waits } = this.records.summary
    this.#metrics.stalls.add(1)
    this.#logger.warn({ missing: fetch, waiting: waits }, 'parts of the pinset are missing and no peer sends them; the others go on, and all connected peers are asked again')
    this.#missing.hurry()
  }

  /** False when it is known already what the peer does wrong. */
  #isNews (peer: PeerId | undefined, what: string): boolean {
    const offence = `${what} of ${peer}`
    if (this.#told.has(offence) || this.#told.size >= maxTold) return false
    this.#told.add(offence)
    return true
  }

  async #reload (): Promise<void> {
    await this.records.load()
    this.#hasDrains = true
    this.#missing.lookOnDisk()
    this.#wake.call()
  }

  #noteFailure (error: unknown): void {
    if (this.#failing === undefined) this.#logger.error(`nodes of other peers cannot be merged now; it is tried again: ${errorText(error)}`)
    this.#failing = errorText(error)
  }
}

function unmerged (summary: WalkSummary): number { return summary.fetch + summary.waits + summary.ready }
