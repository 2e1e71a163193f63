import type { PeerId } from '../../domain/peer.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Counter } from '../../platform/metrics.ts'

/** The name of the metric by which peers tell each other what they have; the Go program does not know it. */
export const digestMetricName = 'flotilla:digest'

const checkMs = 15_000
/** A difference between sets with equal heads counts when it was seen for so long. */
const wrongSetMs = 30_000
/** After so long that nothing has changed heads are told once more: some may not have heard of them, or not from a peer that they trust. */
const tellAgainMs = 60_000
/** A difference of heads counts when nothing has changed on both sides for so long: what is on its way arrives much sooner. */
const otherHeadsMs = 3 * 60_000
/** States of this peer that are remembered: others tell of theirs some seconds later. */
const maxStates = 4_096
/** Peers of which differences are followed. */
const maxPeers = 10_000

/** What a peer says of its set. */
export interface SetReport {
  /** A hash of the heads. */
  readonly heads: string
  readonly headCount: number
  /** The order-free digest of the pinset. */
  readonly digest: string
  readonly pins: number
  /** Nodes that are known but not merged. As long as they change something is on its way, which may take hours: a chain is fetched down to its beginning before any of it is merged. */
  readonly unmergedNodes: number
}

export interface Divergence {
  readonly peer: PeerId
  /** `wrong set`: equal heads, other pins; one of both is wrong. `other heads`: one of both does not get what the other has. */
  readonly kind: 'wrong set' | 'other heads'
  readonly own: SetReport
  readonly other: SetReport
}

export interface DivergenceWatchOptions {
  readonly own: () => SetReport
  /** The newest report of each other peer, as {@link encodeReport} wrote it. */
  readonly reports: () => ReadonlyArray<{ readonly peer: PeerId, readonly value: string }>
  readonly isTrusted: (peer: PeerId) => boolean
  readonly self: PeerId
  readonly onDivergence: (divergence: Divergence) => void
  /** Another peer has had other heads for a while: whoever has what the other lacks should say so. */
  readonly onOtherHeads: () => void
  readonly platform: Platform
}

interface Suspicion { readonly kind: Divergence['kind'], readonly mark: string, readonly since: number, isHelped: boolean, isTold: boolean }

/** Compares this peer's set with what others report of theirs, and tells of differences that last. */
export class DivergenceWatch {
  readonly #options: DivergenceWatchOptions
  readonly #logger: Logger
  readonly #counter: Counter
  /** Digests by heads, of the states that this peer was in. */
  readonly #states = new Map<string, string>()
  readonly #suspicions = new Map<PeerId, Suspicion>()
  #cancelTimer: (() => void) | undefined

  constructor (options: DivergenceWatchOptions) {
    const { platform: { loggers, metrics } } = options
    this.#options = options
    this.#logger = loggers.component('crdt')
    this.#counter = metrics.counter('ipfscluster_crdt_divergences', 'Total number of lasting differences between the pinsets of this and another peer')
  }

  start (): void {
    this.noteState()
    this.#schedule()
  }

  stop (): void { this.#cancelTimer?.() }

  /** Remembers the state in which this peer is now. */
  noteState (): void {
    const { heads, digest } = this.#options.own()
    this.#states.delete(heads)
    this.#states.set(heads, digest)
    if (this.#states.size > maxStates) this.#states.delete(this.#states.keys().next().value as string)
  }

  #schedule (): void {
    this.#cancelTimer = this.#options.platform.clock.after(checkMs, () => {
      this.#check()
      this.#schedule()
    })
  }

  #check (): void {
    const { reports, own, self, isTrusted } = this.#options
    const now = own()
    const differing = new Set<PeerId>()
    for (const { peer, value } of reports().slice(0, maxPeers)) {
      if (peer === self || !isTrusted(peer)) continue
      const other = decodeReport(value)
      const kind = other && this.#difference(now, other)
      if (other === undefined || kind === undefined) continue
      differing.add(peer)
      this.#suspect(peer, kind, now, other)
    }
    for (const peer of this.#suspicions.keys()) if (!differing.has(peer)) this.#suspicions.delete(peer)
  }

  #difference (own: SetReport, other: SetReport): Divergence['kind'] | undefined {
    const digest = own.heads === other.heads ? own.digest : this.#states.get(other.heads)
    if (digest !== undefined && digest !== other.digest) return 'wrong set'
    // Behind, or at a state that this peer has not reached yet: it must not last.
    return own.heads === other.heads ? undefined : 'other heads'
  }

  #suspect (peer: PeerId, kind: Divergence['kind'], own: SetReport, other: SetReport): void {
    const { clock } = this.#options.platform
    const mark = kind === 'wrong set' ? '' : `${own.heads} ${own.unmergedNodes} ${other.heads} ${other.unmergedNodes}`
    let suspicion = this.#suspicions.get(peer)
    if (suspicion?.kind !== kind || suspicion.mark !== mark) {
      this.#suspicions.set(peer, suspicion = { kind, mark, since: clock.monotonic(), isHelped: false, isTold: false })
    }
    const lasts = clock.monotonic() - suspicion.since
    if (kind === 'other heads' && !suspicion.isHelped && lasts >= tellAgainMs) {
      suspicion.isHelped = true
      this.#options.onOtherHeads()
    }
    if (suspicion.isTold || lasts < (kind === 'wrong set' ? wrongSetMs : otherHeadsMs)) return
    suspicion.isTold = true
    this.#counter.add(1)
    this.#logger.error({ peer, kind, pins: own.pins, otherPins: other.pins }, kind === 'wrong set'
      ? 'another peer has merged the same changes but has other pins: this peer checks its own set and repairs it; if the message comes again, run "ipfs-cluster-service state crdt mark-dirty" on the other peer and restart it'
      : 'another peer has other changes than this one and they do not come together: check the connection between both, and that each takes the other\'s changes (trusted_peers, cluster_name); this peer looks for what it may miss')
    this.#options.onDivergence({ peer, kind, own, other })
  }
}

export function encodeReport (report: SetReport): string { return JSON.stringify(report) }

function decodeReport (text: string): SetReport | undefined {
  try {
    const report = JSON.parse(text) as Partial<SetReport> | null
    if (typeof report?.heads !== 'string' || typeof report.digest !== 'string') return undefined
    return { heads: report.heads, digest: report.digest, pins: Number(report.pins), headCount: Number(report.headCount), unmergedNodes: Number(report.unmergedNodes ?? 0) }
  } catch {
    return undefined
  }
}
