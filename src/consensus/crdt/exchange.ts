import type { CID } from 'multiformats/cid'
import type { PeerId } from '../../domain/peer.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Network } from '../../platform/network.ts'
import type { Store } from '../../platform/store.ts'
import { DagWalk, type WalkState } from './dag-walk.ts'
import { deltaCid, type DeltaNode } from './delta.ts'
import { DivergenceWatch, type Divergence, type SetReport } from './divergence-watch.ts'
import { HeadBroadcast } from './head-broadcast.ts'
import { serveHistory } from './history.ts'
import { multihashKey, type ReplicaKeys } from './keys.ts'
import { doubt, RepairLoop } from './repair-loop.ts'
import type { Replica } from './replica.ts'
import type { Writer } from './writer.ts'

export interface ExchangeParts {
  readonly network: Network
  readonly clusterName: string
  readonly rebroadcastIntervalMs: number
  /** 0: nothing is repaired but on request. */
  readonly repairIntervalMs: number
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly replica: Replica
  readonly writer: Writer
  readonly isTrusted: (peer: PeerId) => boolean
  /** What this peer says of its set. */
  readonly report: () => SetReport
  /** What other peers say of theirs. */
  readonly reports: () => ReadonlyArray<{ readonly peer: PeerId, readonly value: string }>
  readonly onDivergence: (divergence: Divergence) => void
  readonly platform: Platform
}

/** The exchange of nodes with other peers: tells ours, brings in theirs, serves all. */
export class Exchange {
  readonly #network: Network
  readonly #store: Store
  readonly #replica: Replica
  readonly #keys: ReplicaKeys
  readonly #platform: Platform
  readonly #walk: DagWalk
  readonly #broadcast: HeadBroadcast
  readonly #watch: DivergenceWatch
  readonly repair: RepairLoop
  readonly #ends: Array<() => void> = []
  /** How often nodes of ours were written, while nobody listened, that may not be on disk yet: those of an earlier process are the first. */
  #unsynced = 1
  /** So many of these are on disk for sure. */
  #synced = 0
  #syncing: Promise<void> | undefined

  constructor (parts: ExchangeParts) {
    const { network, store, keys, replica, repairIntervalMs } = parts
    this.#network = network
    this.#store = store
    this.#replica = replica
    this.#keys = keys
    this.#platform = parts.platform
    this.#walk = new DagWalk({ ...parts, onHole: () => { this.repair.noteDirty() } })
    this.repair = new RepairLoop({
      ...parts,
      records: this.#walk.records,
      intervalMs: repairIntervalMs,
      onMissing: nodes => { this.#walk.need(nodes) },
      retryHoles: () => this.#walk.retryHoles(),
    })
    this.#broadcast = new HeadBroadcast({
      ...parts,
      heads: replica.heads,
      durable: () => this.#makeDurable(),
      onHead: ({ cid, block }, from) => { this.#walk.announce({ node: nameOf(cid), from, block }) },
    })
    this.#watch = new DivergenceWatch({
      ...parts,
      own: parts.report,
      self: network.self,
      onOtherHeads: () => { this.#askAgain() },
      onDivergence: divergence => {
        if (divergence.kind === 'wrong set') this.repair.request()
        else this.#askAgain()
        parts.onDivergence(divergence)
      },
    })
    parts.writer.onCommit(() => { this.#watch.noteState() })
    network.serveBlocks(async cid => {
      const known = deltaCid(cid)
      return known && store.get(keys.block(nameOf(known)))
    })
  }

  async load (): Promise<void> {
    const { heads, isOwn } = this.#replica
    if (!isOwn) await this.#store.batch([heads.claim(), ...doubt(this.#keys)], { sync: true })
    await this.#walk.load()
    await this.repair.load()
  }

  start (signal: AbortSignal): void {
    this.#walk.start(signal)
    this.repair.start(signal)
    this.#ends.push(
      this.#network.onPeer((_, isConnected) => { if (isConnected) this.#walk.peerCame() }),
      serveHistory({ network: this.#network, store: this.#store, keys: this.#keys, platform: this.#platform }))
    this.#broadcast.start()
    this.#watch.start()
  }

  /** Resolves when nothing runs any more; the signal of {@link start} ends it. */
  async stopped (): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    await this.#broadcast.stop()
    this.#watch.stop()
    await this.#walk.stopped()
    await this.repair.stopped()
  }

  /** Whether somebody hears of our nodes at once: they must be on disk before. */
  get isHeard (): boolean { return this.#network.peers().length > 0 }

  /** The highest priority among nodes that are known but not merged. */
  get highestPriority (): number { return this.#walk.highestPriority }

  get walk (): WalkState { return this.#walk.state }

  /** A node of ours is about to be written that may be lost again: it is told with the heads, later. */
  mayLose (): void { this.#unsynced++ }

  /** Tells of a node of ours that was written. */
  tell (node: DeltaNode, isDurable: boolean): void {
    this.#network.announceBlock(node.cid)
    if (isDurable) this.#broadcast.tell(node)
  }

  /** Does again what may have failed: asks for what is missing and tells what is here. */
  #askAgain (): void {
    this.#walk.hurry()
    void this.#broadcast.tellHeads(new Set())
  }

  /** Resolves when all that was written before the call is on disk. */
  async #makeDurable (): Promise<void> {
    const written = this.#unsynced
    while (this.#synced < written) await (this.#syncing ??= this.#sync().finally(() => { this.#syncing = undefined }))
  }

  async #sync (): Promise<void> {
    // What is written while this is under way is not covered.
    const written = this.#unsynced
    await this.#store.batch([], { sync: true })
    this.#synced = written
  }
}

function nameOf (cid: CID): string { return multihashKey(cid.multihash.bytes) }
