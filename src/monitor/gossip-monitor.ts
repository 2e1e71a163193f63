import type { MsgpackMessage } from '../codec/message.ts'
import type { Alert, Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import { MetricWindow } from './metric-window.ts'
import type { PeerMonitor } from './monitor.ts'

/** The topic of the reference (spec/wire.md 3). */
export const metricsTopic = 'monitor.metrics'
/** Alerts that wait for their reader; older ones give way. */
const maxWaitingAlerts = 1_000
/** A metric that has been expired for so many checks is forgotten with its peer's name. */
const checksUntilForgotten = 300
/** Largest metric taken, in bytes: a ping with all addresses of an IPFS node is a tenth of it. */
const maxMetricBytes = 64 * 1024

export interface GossipMonitorOptions {
  readonly network: Network
  readonly codec: MsgpackMessage<Metric>
  readonly checkIntervalMs: number
  readonly platform: Platform
}

/** {@link PeerMonitor} over gossip: every peer sends its metrics to all (spec/components.md 4). */
export class GossipMonitor implements PeerMonitor {
  readonly #options: GossipMonitorOptions
  readonly #window = new MetricWindow()
  /** Checks since a metric expired, by name and peer. */
  readonly #expired = new Map<string, number>()
  readonly #alerts: Alert[] = []
  readonly #wake = new Set<() => void>()
  #unsubscribe: (() => void) | undefined
  #cancelCheck: (() => void) | undefined

  constructor (options: GossipMonitorOptions) { this.#options = options }

  async start (): Promise<void> {
    this.#unsubscribe = this.#options.network.subscribe(metricsTopic, message => { this.#receive(message.data) })
    this.#scheduleCheck()
  }

  async stop (): Promise<void> {
    this.#unsubscribe?.()
    this.#cancelCheck?.()
  }

  async publish (metric: Metric): Promise<void> {
    if (!metric.valid) return
    await this.#options.network.publish(metricsTopic, this.#options.codec.encodeMsgpack(metric))
  }

  record (metric: Metric): void {
    const received = { ...metric, receivedAt: this.#options.platform.clock.now() }
    if (!this.#window.add(received) && this.#window.dropped === 1) {
      this.#options.platform.loggers.component('monitor').warn({ metric: metric.name, peer: metric.peer }, 'more metrics than can be kept: some peer floods; further ones are dropped')
    }
  }

  latest (name: string): Metric[] { return this.#window.latest(name, this.#options.platform.clock.now()) }
  latestFor (name: string, peer: PeerId): Metric | undefined { return this.#window.latestFor(name, peer) }
  names (): string[] { return this.#window.names() }

  async * alerts ({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Alert> {
    while (!signal.aborted) {
      const alert = this.#alerts.shift()
      if (alert !== undefined) {
        yield alert
        continue
      }
      await new Promise<void>(resolve => {
        const done = (): void => {
          signal.removeEventListener('abort', done)
          this.#wake.delete(done)
          resolve()
        }
        this.#wake.add(done)
        signal.addEventListener('abort', done, { once: true })
      })
    }
  }

  #receive (data: Uint8Array): void {
    if (data.length > maxMetricBytes) return
    try {
      this.record(this.#options.codec.decodeMsgpack(data))
    } catch (error) {
      this.#options.platform.loggers.component('monitor').debug(`a metric that cannot be read was dropped: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #scheduleCheck (): void {
    this.#cancelCheck = this.#options.platform.clock.after(this.#options.checkIntervalMs, () => {
      this.#check()
      this.#scheduleCheck()
    })
  }

  /** One alert for each metric that expired, not one a check. */
  #check (): void {
    const now = this.#options.platform.clock.now()
    for (const metric of this.#window.all()) {
      const key = `${metric.name} ${metric.peer}`
      if (metric.expire >= now) {
        this.#expired.delete(key)
        continue
      }
      const checks = (this.#expired.get(key) ?? 0) + 1
      this.#expired.set(key, checks)
      if (checks === 1) this.#raise({ ...metric, triggeredAt: now })
      if (checks < checksUntilForgotten) continue
      this.#expired.delete(key)
      this.#window.remove(metric.name, metric.peer)
    }
  }

  #raise (alert: Alert): void {
    this.#alerts.push(alert)
    if (this.#alerts.length > maxWaitingAlerts) this.#alerts.shift()
    for (const wake of this.#wake) wake()
  }
}
