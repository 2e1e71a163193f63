import type { Alert } from '../domain/metric.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import type { Logger } from '../platform/logger.ts'

/** Alerts that are remembered; the oldest give way (spec/components.md 1.8). */
const maxAlerts = 1_000

/** The latest alerts, newest first. */
export class AlertHistory {
  #alerts: Alert[] = []

  list (): Alert[] { return this.#alerts.toReversed() }

  /** Takes in what the monitor raises; ends with the signal. */
  async record (monitor: PeerMonitor, logger: Logger, signal: AbortSignal): Promise<void> {
    for await (const alert of monitor.alerts({ signal })) {
      logger.warn({ metric: alert.name, peer: alert.peer }, `metric alert for ${alert.name}: peer ${alert.peer}`)
      this.#alerts.push(alert)
      if (this.#alerts.length > maxAlerts) this.#alerts.shift()
    }
  }
}
