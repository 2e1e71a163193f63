import type { ProtobufMessage } from '../../codec/message.ts'
import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Pin } from '../../domain/pin.ts'
import type { CallOptions, Platform } from '../../platform/lifecycle.ts'
import type { Network } from '../../platform/network.ts'
import type { Store } from '../../platform/store.ts'
import { StoredChangeLog } from '../../state/change-log.ts'
import { Pinset } from '../../state/pinset.ts'
import type { ChangeLog, Consensus, UnpinOptions } from '../consensus.ts'
import { DeltaPublisher, type BatchOptions } from './delta-publisher.ts'
import { DeltaWriter } from './delta-writer.ts'
import { encodeReport, type Divergence, type SetReport } from './divergence-watch.ts'
import { Exchange } from './exchange.ts'
import { Journal, openedAnew } from './journal.ts'
import { replicaKeys } from './keys.ts'
import { keyOfPin, PinValues } from './pin-values.ts'
import { doubt } from './repair-loop.ts'
import { Replica } from './replica.ts'
import { scanTeller } from './scan-teller.ts'
import { StrayMoves, type StrayMovesOptions } from './stray-moves.ts'
import { Writer } from './writer.ts'

/** Changes that wait for their delta before who brings more has to wait: the others hear of a change some seconds later at most. */
const mostWaiting = 10_000

/** Pins of one imported node at most, and their bytes unless it is but one: well under what other peers take, whatever names and metadata the pins have. */
const pinsPerImportedNode = 500
const bytesPerImportedNode = 1024 * 1024

/** That of the reference. */
const defaultRepairMs = 60 * 60_000

export interface CrdtOptions {
  readonly self: PeerId
  /** Given away: the consensus closes it. */
  readonly store: Store
  readonly codec: ProtobufMessage<Pin>
  readonly datastoreNamespace: string
  /** `*` trusts everybody. */
  readonly trustedPeers: ReadonlyArray<PeerId | '*'>
  /** Both above 0 switches batching on. */
  readonly batching: BatchOptions
  /** Others take no changes from this peer, so that it makes none of its own accord. */
  readonly isFollower?: boolean
  /** Members by what the monitor has heard (spec/wire.md 6.2). */
  readonly members: () => PeerId[]
  readonly platform: Platform
  /** The other peers; absent for a peer that does not run, or is alone. */
  readonly exchange?: ExchangeOptions
}

/** How this peer exchanges changes with others. */
export interface ExchangeOptions {
  readonly network: Network
  /** Peers of one cluster have the same. */
  readonly clusterName: string
  readonly rebroadcastIntervalMs: number
  /** How often missing parts are looked for while the set is marked dirty; 0 switches this off. */
  readonly repairIntervalMs?: number
  /** What other peers say of their sets: the newest metric of each under {@link digestMetricName}. */
  readonly reports?: () => ReadonlyArray<{ readonly peer: PeerId, readonly value: string }>
  /** Another peer's set differs from this one's, and that lasts. It is logged, counted and repaired already. */
  readonly onDivergence?: (divergence: Divergence) => void
}

/** How the set of a peer stands: facts for health pages and operators. */
export interface ReplicaHealth {
  /** CIDs of the newest nodes. */
  readonly heads: readonly string[]
  readonly headCount: number
  readonly maxHeight: number
  readonly pins: number
  /** Equal on peers with equal pinsets. */
  readonly digest: string
  /** Something below the heads is missing. */
  readonly isDirty: boolean
  readonly isRepairing: boolean
  /** Nodes that are known but not merged: those whose blocks are not here, and those that wait for others. */
  readonly unmerged: { readonly missing: number, readonly stored: number }
  /** Nodes that no peer had, and that were left out. */
  readonly holes: number
  /** For how long nodes have been missing without any that came. */
  readonly stalledMs: number
  /** Acknowledged changes that stand in no delta yet. */
  readonly unpublishedChanges: number
  readonly lastCommitAgeMs: number
  /** Why changes cannot be written now. */
  readonly failing: string | undefined
}

/** {@link Consensus} by a replicated set that every trusted peer may write (spec/wire.md 7). */
export class CrdtConsensus implements Consensus {
  readonly kind = 'crdt'
  readonly #options: CrdtOptions
  readonly #pinset: Pinset
  readonly #changes: StoredChangeLog
  readonly #journal: Journal
  readonly #deltas: DeltaWriter
  readonly #publisher: DeltaPublisher
  readonly #replica: Replica
  readonly #exchange: Exchange | undefined
  readonly #strays: StrayMoves | undefined
  readonly #trusted: Set<PeerId | '*'>
  readonly #stopping = new AbortController()
  #lastCommit: number
  #running: Promise<void> | undefined
  #isStopped = false

  constructor (options: CrdtOptions) {
    const { store, codec, platform } = options
    const { clock } = platform
    const keys = replicaKeys(options.datastoreNamespace)
    this.#options = options
    this.#trusted = new Set([...options.trustedPeers, options.self])
    this.#pinset = new Pinset({ store, clock, codec, valuePrefix: `${options.datastoreNamespace}/s/k/` })
    this.#changes = new StoredChangeLog(store, clock, cids => this.#pinset.getMany(cids))
    const values = new PinValues(codec)
    this.#replica = new Replica(store, keys, (key, value) => values.isPinOf(key, value))
    const writer = new Writer({ store, replica: this.#replica, pinset: this.#pinset, changes: this.#changes, values })
    this.#exchange = options.exchange && new Exchange({
      repairIntervalMs: defaultRepairMs,
      reports: () => [],
      onDivergence: () => {},
      ...options.exchange,
      store,
      keys,
      replica: this.#replica,
      writer,
      isTrusted: peer => this.isTrusted(peer),
      report: () => this.#report(),
      platform,
    })
    this.#lastCommit = clock.monotonic()
    writer.onCommit(() => { this.#lastCommit = clock.monotonic() })
    this.#journal = new Journal({ store, clock, codec, heads: this.#replica.heads, onDurable: intents => { this.#publisher.enqueue(intents) } })
    this.#deltas = new DeltaWriter({
      writer,
      replica: this.#replica,
      store,
      journal: this.#journal,
      pinset: this.#pinset,
      codec,
      values,
      isHeard: () => this.#exchange?.isHeard ?? false,
      mayLose: () => { this.#exchange?.mayLose() },
      priorityFloor: () => this.#exchange?.highestPriority ?? 0,
      onDelta: (node, isDurable) => { this.#exchange?.tell(node, isDurable) },
    })
    this.#publisher = new DeltaPublisher({
      deltas: this.#deltas,
      writer,
      store,
      journal: this.#journal,
      pinset: this.#pinset,
      values,
      clock,
      logger: platform.loggers.component('crdt'),
      batching: isBatching(options.batching) ? options.batching : undefined,
    })
    if (options.exchange !== undefined) {
      // A follower only clears away what was noted: the others look for themselves.
      const remove: StrayMovesOptions['remove'] = (suspects, extra) => this.#deltas.removeStrays(options.isFollower === true ? [] : suspects, extra)
      this.#strays = new StrayMoves({ store, writer, remove, platform })
    }
    platform.metrics.gauge('ipfscluster_pins', 'Total number of pins', () => this.#pinset.count())
  }

  async start (): Promise<void> {
    await this.#replica.load()
    const { isOwn, heads } = this.#replica
    const onScan = scanTeller(this.#options.platform.loggers.component('crdt'))
    await this.#pinset.load({ isTrusted: isOwn, ...heads.size > 0 && { onScan } })
    await this.#changes.load()
    // A delta of what waits in the journal makes the folder ours: whoever exchanges with others next would not look.
    if (this.#exchange === undefined && !isOwn) await this.#options.store.batch(doubt(replicaKeys(this.#options.datastoreNamespace)), { sync: true })
    await this.#exchange?.load()
    await this.#publisher.restore(await this.#journal.load())
    this.#running = this.#publisher.run(this.#stopping.signal)
    this.#exchange?.start(this.#stopping.signal)
    this.#strays?.start(this.#stopping.signal)
  }

  async stop (): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    await this.#journal.settled()
    await this.#journal.dropRefused()
    // A delta that cannot be written stays in the journal: do not wait for a full disk.
    if (this.#running !== undefined && this.#publisher.failing === undefined) await this.#publisher.flush()
    this.#stopping.abort()
    await this.#strays?.stopped()
    await this.#exchange?.stopped()
    await this.#running
    await this.#changes.stop()
    await this.#options.store.close()
  }

  async ready (): Promise<void> {}

  logPin (pin: Pin, options: CallOptions = {}): Promise<void> {
    return this.#append({ cid: pin.cid, pin, options })
  }

  logMove (observed: Pin, pin: Pin, options: CallOptions = {}): Promise<void> {
    return this.#append({ cid: pin.cid, pin, observed, options })
  }

  logUnpin (pin: Pin, options: UnpinOptions = {}): Promise<void> {
    return this.#append({ cid: pin.cid, pin: undefined, options, ...options.yieldsToOthers === true && { removed: pin } })
  }

  #append (change: Change): Promise<void> {
    if (this.#isStopped) return Promise.reject(stopped())
    const { batching } = this.#options
    const limit = batching.maxQueueSize ?? Infinity
    const crowd = Math.min(mostWaiting, limit)
    // Who asks faster than deltas can be written waits. With batches it is the operator who says how many changes may.
    if (!isBatching(batching) && this.#publisher.isCrowded(crowd)) return this.#appendLater(change, crowd)
    if (this.#publisher.waiting >= limit) return Promise.reject(queueFull())
    if (change.removed !== undefined && this.#isChanging(change.removed)) return Promise.reject(new ClusterError('NOT_FOUND', 'the pin is being changed'))
    return this.#journal.append(change.cid, change.pin, change.observed)
  }

  /** Whether the pin is not what readers see, or a change that they do not see yet stands in the journal or will. */
  #isChanging (pin: Pin): boolean {
    const pending = this.#pinset.pending(pin.cid)
    return this.#journal.isChanging(pin.cid) || (pending !== undefined && pending.pin !== pin)
  }

  /** Whoever gives up while waiting has changed nothing. */
  async #appendLater (change: Change, crowd: number): Promise<void> {
    const { store } = this.#options
    const opening = store.openings?.()
    await this.#publisher.room(crowd, change.options.signal)
    // As in the journal: what is to be removed may be lost, and come back from the other peers.
    if (change.pin === undefined && opening !== store.openings?.()) throw openedAnew()
    return this.#append(change)
  }

  /**
   * Adds pins in nodes whose size depends on the pins alone, so that the same pins give the same nodes on every peer
   * that imports them. For a peer that does not run. Resolves with their number when they are on disk.
   */
  async importPins (pins: AsyncIterable<readonly Pin[]>): Promise<number> {
    let count = 0
    let waiting: Array<readonly [key: string, value: Uint8Array]> = []
    let bytes = 0
    const next = async (): Promise<void> => {
      await this.#deltas.commitPins(new Map(waiting))
      waiting = []
      bytes = 0
    }
    for await (const batch of pins) {
      for (const pin of batch) {
        const value = this.#options.codec.encodeProtobuf(pin)
        if (waiting.length > 0 && bytes + value.length > bytesPerImportedNode) await next()
        waiting.push([keyOfPin(pin), value])
        bytes += value.length
        count++
        if (waiting.length === pinsPerImportedNode) await next()
      }
    }
    if (waiting.length > 0) await next()
    await this.#options.store.batch([], { sync: true })
    return count
  }

  pinset (): Pinset { return this.#pinset }
  changes (): ChangeLog { return this.#changes }

  /** Resolves when all acknowledged changes stand in deltas. */
  settled (): Promise<void> { return this.#publisher.flush() }

  /** The value of this peer's metric under {@link digestMetricName}. */
  digestReport (): string { return encodeReport(this.#report()) }

  /** How this peer's set stands. */
  inspect (): ReplicaHealth {
    const { heads } = this.#replica
    const { headCount, digest, pins } = this.#report()
    const walk = this.#exchange?.walk
    return {
      headCount,
      digest,
      pins,
      heads: heads.cids().map(cid => cid.toString()),
      maxHeight: heads.maxHeight(),
      isDirty: this.#exchange?.repair.isDirty ?? false,
      isRepairing: this.#exchange?.repair.isRunning ?? false,
      unmerged: { missing: walk?.fetch ?? 0, stored: (walk?.waits ?? 0) + (walk?.ready ?? 0) },
      holes: walk?.hole ?? 0,
      stalledMs: walk?.stalledMs ?? 0,
      unpublishedChanges: this.#pinset.pendingCount(),
      lastCommitAgeMs: this.#options.platform.clock.monotonic() - this.#lastCommit,
      failing: this.#publisher.failing,
    }
  }

  #report (): SetReport {
    const { heads } = this.#replica
    const { fetch = 0, waits = 0, ready = 0 } = this.#exchange?.walk ?? {}
    return { heads: heads.fingerprint(), headCount: heads.size, digest: this.#pinset.digest(), pins: this.#pinset.count(), unmergedNodes: fetch + waits + ready }
  }

  /** Looks soon whether anything is missing or other than the nodes say, and repairs it. */
  repairSoon (): void { this.#exchange?.repair.request() }

  async peers (): Promise<PeerId[]> {
    return [...new Set([...this.#options.members(), this.#options.self])].toSorted()
  }

  async addPeer (): Promise<void> {}

  removePeer (): Promise<void> {
    return Promise.reject(new ClusterError('UNSUPPORTED', 'crdt consensus component cannot remove peers'))
  }

  leader (): undefined { return undefined }
  isTrusted (peer: PeerId): boolean { return this.#trusted.has('*') || this.#trusted.has(peer) }
  trust (peer: PeerId): void { this.#trusted.add(peer) }
  distrust (peer: PeerId): void { if (peer !== this.#options.self) this.#trusted.delete(peer) }
}

/** What is to be changed: `observed` is the pin that a move gives other holders, `removed` the one that a removal which yields is of. */
interface Change {
  readonly cid: Cid
  readonly pin: Pin | undefined
  readonly observed?: Pin
  readonly removed?: Pin
  /** Their signal ends the wait for room. It is asked for only then: it may have to be made, for each of thousands of changes a second. */
  readonly options: CallOptions
}

function isBatching ({ maxSize, maxAgeMs }: BatchOptions): boolean { return maxSize > 0 && maxAgeMs > 0 }

/** The text of the reference. */
function queueFull (): ClusterError {
  return new ClusterError('CONSENSUS_FAILED', 'error batching item: batching max_queue_size reached. Too many operations are waiting to be batched. Try increasing the max_queue_size or adjusting the batching options')
}

function stopped (): ClusterError {
  return new ClusterError('CANCELLED', 'this peer is stopping: send the request to another peer or try again later')
}
