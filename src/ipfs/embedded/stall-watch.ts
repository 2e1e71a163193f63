import type { Clock } from '../../platform/clock.ts'

/** Calls `stalled` once when nothing was reported for `timeoutMs`, 0 for never. Watches from the first report on. */
export class StallWatch {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #stalled: () => void
  #lastMs = 0
  #cancel: (() => void) | undefined
  #closed = false

  constructor (clock: Clock, timeoutMs: number, stalled: () => void) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#stalled = stalled
  }

  /** Something went forward, or the wait begins. Cheap: one timer runs, whatever the number of reports. */
  progress (): void {
    if (this.#timeoutMs === 0) return
    this.#lastMs = this.#clock.monotonic()
    if (this.#cancel === undefined && !this.#closed) this.#arm(this.#timeoutMs)
  }

  close (): void {
    this.#closed = true
    this.#cancel?.()
  }

  #arm (delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const leftMs = this.#timeoutMs - (this.#clock.monotonic() - this.#lastMs)
      if (leftMs > 0) this.#arm(leftMs)
      else this.#stalled()
    })
  }
}
