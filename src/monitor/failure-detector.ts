import type { Alert } from '../domain/metric.ts'
import type { Clock } from '../platform/clock.ts'
import type { MetricWindow } from './metric-window.ts'

/** A metric that has been expired for so many rounds is forgotten, in the end with its peer. */
const roundsUntilForgotten = 300

export interface FailureDetectorOptions {
  readonly window: MetricWindow
  readonly clock: Clock
  readonly checkIntervalMs: number
  readonly onAlert: (alert: Alert) => void
}

/** Looks for metrics that expired without successor: one alert for each, not one a round (spec/components.md 4). */
export class FailureDetector {
  readonly #options: FailureDetectorOptions
  #cancel: (() => void) | undefined
  #dueAt = 0

  constructor (options: FailureDetectorOptions) { this.#options = options }

  start (): void {
    const { clock, checkIntervalMs } = this.#options
    this.#dueAt = clock.monotonic() + checkIntervalMs
    this.#cancel = clock.after(checkIntervalMs, () => {
      // A process that stood still has not heard what came meanwhile: that is still to be read.
      const stoodStill = clock.monotonic() - this.#dueAt > checkIntervalMs
      if (!stoodStill) this.#check()
      this.start()
    })
  }

  stop (): void { this.#cancel?.() }

  #check (): void {
    const { window, clock, onAlert } = this.#options
    const moment = clock.monotonic()
    for (const kept of window.all()) {
      if (kept.deadline >= moment) continue
      kept.roundsExpired++
      if (kept.roundsExpired === 1) onAlert({ ...kept.metric, triggeredAt: clock.now() })
      if (kept.roundsExpired >= roundsUntilForgotten) window.remove(kept.metric.name, kept.metric.peer)
    }
  }
}
