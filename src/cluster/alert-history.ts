import type { Alert } from '../domain/metric.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import type { Logger } from '../platform/logger.ts'

/** Alerts that are remembered; the oldest give way (spec/components.md 1.8). */
const maxAlerts = 1_000

/** The latest alerts, newest first. A follower keeps none: it can do nothing about them. */
export class AlertHistory {
  readonly #isFollower: boolean
  #alerts: Alert[] = []

  constructor ({ followerMode = false }: { readonly followerMode?: boolean } = {}) { this.#isFollower = followerMode }

  list (): Alert[] { return this.#alerts.toReversed() }

  /** Takes in what the monitor raises; ends with the signal and with nothing else. */
  async record (monitor: PeerMonitor, logger: Logger, signal: AbortSignal): Promise<void> {
    for await (const alert of monitor.alerts({ signal })) {
      if (this.#isFollower) continue
      logger.warn({ metric: alert.name, peer: alert.peer }, `metric alert for ${alert.name}: Peer: ${alert.peer}.`)
      this.#alerts.push(alert)
      if (this.#alerts.length > maxAlerts) this.#alerts.shift()
    }
  }
}
