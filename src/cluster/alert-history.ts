import type { Divergence } from '../consensus/crdt/divergence-watch.ts'
import { isOursAlone, type Alert } from '../domain/metric.ts'
import type { Time } from '../domain/time.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import type { Logger } from '../platform/logger.ts'

/** Alerts that are remembered; the oldest give way (spec/components.md 1.8). */
const maxAlerts = 1_000

/** The name of the alert that another peer's pinset differs, and that this lasts. */
const divergenceAlertName = 'flotilla:divergence'

/** The latest alerts, newest first. A follower keeps none: it can do nothing about them. */
export class AlertHistory {
  readonly #isFollower: boolean
  #alerts: Alert[] = []

  constructor ({ followerMode = false }: { readonly followerMode?: boolean } = {}) { this.#isFollower = followerMode }

  list (): Alert[] { return this.#alerts.toReversed() }

  /**
   * Takes in what the monitor raises; ends with the signal and with nothing else. That metrics which
   * only our peers know have expired is left out: the same peer's ping has too.
   */
  async record (monitor: PeerMonitor, logger: Logger, signal: AbortSignal): Promise<void> {
    for await (const alert of monitor.alerts({ signal })) {
      if (this.#isFollower || isOursAlone(alert.name)) continue
      logger.warn({ metric: alert.name, peer: alert.peer }, `metric alert for ${alert.name}: Peer: ${alert.peer}.`)
      this.#add(alert)
    }
  }

  /** Takes in that another peer's pinset differs; the log tells it already. */
  diverged ({ peer, kind, own, other }: Divergence, now: Time): void {
    if (this.#isFollower) return
    const value = `${kind}: ${other.pins} pins there, ${own.pins} here`
    this.#add({ name: divergenceAlertName, peer, value, expire: now, valid: true, weight: 0, partitionable: false, receivedAt: now, triggeredAt: now })
  }

  #add (alert: Alert): void {
    this.#alerts.push(alert)
    if (this.#alerts.length > maxAlerts) this.#alerts.shift()
  }
}
