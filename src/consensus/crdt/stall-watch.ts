import type { Clock } from '../../platform/clock.ts'

/** Work without progress for so long is told. */
const toldAfterMs = 60_000
const lookMs = 10_000

export interface StallWatchOptions {
  readonly hasWork: () => boolean
  /** Called once for each stall. */
  readonly onStall: () => void
  readonly clock: Clock
}

/** Sees when there is work and nothing comes of it. */
export class StallWatch {
  readonly #options: StallWatchOptions
  #lastProgress: number
  #isTold = false
  #cancelTimer: (() => void) | undefined

  constructor (options: StallWatchOptions) {
    this.#options = options
    this.#lastProgress = options.clock.monotonic()
  }

  start (): void {
    this.#cancelTimer = this.#options.clock.after(lookMs, () => {
      this.#look()
      this.start()
    })
  }

  stop (): void { this.#cancelTimer?.() }

  progress (): void {
    this.#lastProgress = this.#options.clock.monotonic()
    this.#isTold = false
  }

  /** For how long there has been work without progress, within ten seconds; 0 without work. */
  get stalledMs (): number {
    return this.#options.hasWork() ? this.#options.clock.monotonic() - this.#lastProgress : 0
  }

  #look (): void {
    if (!this.#options.hasWork()) {
      this.progress()
      return
    }
    if (this.#isTold || this.stalledMs < toldAfterMs) return
    this.#isTold = true
    this.#options.onStall()
  }
}
