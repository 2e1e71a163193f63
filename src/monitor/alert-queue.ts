import type { Alert } from '../domain/metric.ts'
import { Wake } from '../platform/wake.ts'

/** Alerts that wait for their reader; older ones give way, so that nobody's slowness stops the detector. */
const maxWaitingAlerts = 1_000

/** Alerts on their way to one reader. */
export class AlertQueue {
  readonly #waiting: Alert[] = []
  readonly #wake = new Wake()

  push (alert: Alert): void {
    this.#waiting.push(alert)
    if (this.#waiting.length > maxWaitingAlerts) this.#waiting.shift()
    this.#wake.call()
  }

  /** Alerts as they come; ends with the signal. */
  async * read (signal: AbortSignal): AsyncGenerator<Alert> {
    while (!signal.aborted) {
      const alert = this.#waiting.shift()
      if (alert === undefined) await this.#wake.rest(signal)
      else yield alert
    }
  }
}
