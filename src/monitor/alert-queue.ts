import type { Alert } from '../domain/metric.ts'

/** Alerts that wait for their reader; older ones give way, so that nobody's slowness stops the detector. */
const maxWaitingAlerts = 1_000

/** Alerts on their way to one reader. */
export class AlertQueue {
  readonly #waiting: Alert[] = []
  #wake: (() => void) | undefined

  push (alert: Alert): void {
    this.#waiting.push(alert)
    if (this.#waiting.length > maxWaitingAlerts) this.#waiting.shift()
    this.#wake?.()
  }

  /** Alerts as they come; ends with the signal. */
  async * read (signal: AbortSignal): AsyncGenerator<Alert> {
    while (!signal.aborted) {
      const alert = this.#waiting.shift()
      if (alert === undefined) await this.#change(signal)
      else yield alert
    }
  }

  #change (signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      this.#wake = done
      signal.addEventListener('abort', done, { once: true })
    })
  }
}
