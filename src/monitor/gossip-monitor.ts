import type { MsgpackMessage } from '../codec/message.ts'
import type { Alert, Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { GossipMessage, Network } from '../platform/network.ts'
import { admit } from './admission.ts'
import { AlertQueue } from './alert-queue.ts'
import { FailureDetector } from './failure-detector.ts'
import { MetricWindow, type KeptMetric, type Placement, type WindowBounds } from './metric-window.ts'
import type { PeerMonitor, PeerPresence } from './monitor.ts'
import { Refusals } from './refusals.ts'

/** The topic of the reference (spec/wire.md 3). */
export const metricsTopic = 'monitor.metrics'
/** Largest metric taken, in bytes: a ping with all addresses of an IPFS node is a tenth of it. */
const maxMetricBytes = 64 * 1024
/** Versions of the reference up to 0.13.3 put this before a metric (spec/components.md 4). */
const oldPrefix = Buffer.from('\u0009/msgpack\n')

export interface GossipMonitorOptions {
  readonly network: Network
  readonly codec: MsgpackMessage<Metric>
  readonly checkIntervalMs: number
  readonly platform: Platform
  readonly bounds?: Partial<WindowBounds>
}

/** {@link PeerMonitor} over gossip: every peer sends its metrics to all (spec/components.md 4). */
export class GossipMonitor implements PeerMonitor {
  readonly #options: GossipMonitorOptions
  readonly #window: MetricWindow
  readonly #alerts = new AlertQueue()
  readonly #detector: FailureDetector
  readonly #refusals: Refusals
  /** How long what this peer published last counts, by name. */
  readonly #ownLives = new Map<string, number>()
  readonly #ends: Array<() => void> = []

  constructor (options: GossipMonitorOptions) {
    const { platform: { clock, loggers, metrics }, checkIntervalMs, bounds } = options
    this.#options = options
    this.#window = new MetricWindow(bounds)
    this.#detector = new FailureDetector({ window: this.#window, clock, checkIntervalMs, onAlert: alert => { this.#alerts.push(alert) } })
    this.#refusals = new Refusals(clock, loggers.component('monitor'), metrics.counter('ipfscluster_monitor_dropped_metrics', 'Metrics of peers that were dropped: forged, unreadable, expired or too many'))
  }

  async start (): Promise<void> {
    const { network } = this.#options
    this.#ends.push(
      network.subscribe(metricsTopic, message => { this.#receive(message) }),
      network.onPeer((peer, isConnected) => { if (isConnected) this.#window.beginAnew(peer, this.#moment()) }))
    this.#detector.start()
  }

  async stop (): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    this.#detector.stop()
  }

  async publish (metric: Metric): Promise<void> {
    if (!metric.valid) return
    this.#ownLives.set(metric.name, metric.expire - this.#options.platform.clock.now())
    await this.#options.network.publish(metricsTopic, this.#options.codec.encodeMsgpack(metric))
  }

  record (metric: Metric): void {
    const lifeMs = metric.expire - this.#options.platform.clock.now()
    const deadline = this.#moment() + lifeMs
    const kept = this.#window.get(metric.name, metric.peer)
    // What the peer says itself, and when, stays known while it counts: it only counts for longer.
    if (kept === undefined || kept.deadline < this.#moment() || kept.signedExpire === -Infinity) this.#keep(metric, { signedExpire: -Infinity, sequence: undefined, lifeMs })
    else if (kept.deadline < deadline) Object.assign(kept, { deadline, metric: { ...kept.metric, expire: metric.expire } })
  }

  latest (name: string): Metric[] { return this.#window.latest(name, this.#moment()) }
  latestFor (name: string, peer: PeerId): Metric | undefined { return this.#window.get(name, peer)?.metric }
  hears (name: string, peer: PeerId): boolean { return (this.#window.get(name, peer)?.deadline ?? -Infinity) >= this.#moment() }
  hasTold (name: string, peer: PeerId): boolean {
    const kept = this.#window.get(name, peer)
    return kept !== undefined && kept.signedExpire !== -Infinity && !kept.isDoubted
  }
  names (): string[] { return this.#window.names() }
  presences (name: string): PeerPresence[] { return this.#window.presences(name, this.#moment()) }
  alerts ({ signal }: { readonly signal: AbortSignal }): AsyncIterable<Alert> { return this.#alerts.read(signal) }

  #receive ({ from, data, sequence }: GossipMessage): void {
    if (data.length > maxMetricBytes) { this.#refusals.add(from, 'too large'); return }
    const metric = this.#decode(data)
    if (metric === undefined) { this.#refusals.add(from, 'unreadable'); return }
    const admitted = admit({
      metric,
      from,
      sequence,
      now: this.#options.platform.clock.now(),
      moment: this.#moment(),
      kept: this.#heardBefore(metric.name, from),
      ownLifeMs: this.#ownLives.get(metric.name) ?? 0,
      isConnected: () => from === this.#options.network.self || this.#options.network.peers().includes(from),
    })
    if (typeof admitted === 'string') this.#refusals.add(from, admitted)
    else if (!this.#keep(admitted.metric, admitted)) this.#refusals.add(from, 'no room')
  }

  /** What others vouch for says nothing of the rhythm of a peer that was not heard itself. */
  #heardBefore (name: string, peer: PeerId): KeptMetric | undefined {
    const kept = this.#window.get(name, peer)
    return kept !== undefined && (kept.signedExpire !== -Infinity || kept.interval > 0) ? kept : undefined
  }

  #keep (metric: Metric, told: Omit<Placement, 'now' | 'isPreferred'>): boolean {
    const { network, platform: { clock } } = this.#options
    let connected: Set<PeerId> | undefined
    return this.#window.put({ ...metric, receivedAt: clock.now() }, {
      ...told,
      now: this.#moment(),
      isPreferred: peer => peer === network.self || (connected ??= new Set(network.peers())).has(peer),
    })
  }

  #decode (data: Uint8Array): Metric | undefined {
    const { codec } = this.#options
    try {
      return codec.decodeMsgpack(oldPrefix.equals(data.subarray(0, oldPrefix.length)) ? data.subarray(oldPrefix.length) : data)
    } catch {
      return undefined
    }
  }

  #moment (): number { return this.#options.platform.clock.monotonic() }
}
