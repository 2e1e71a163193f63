import { errorText } from '../../domain/errors.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { prefixEnd } from './encoding.ts'
import { suspectPrefix } from './keys.ts'
import type { Writer } from './writer.ts'

/** What one peer removes the others need not: each begins at a random moment within this time, in milliseconds. */
const longestDelayMs = 10_000
/** A look that failed is put off by so long at first, and at most, in milliseconds: a disk that fails is slow to heal. */
const retryMs = { first: 5_000, longest: 60_000 }
/** Keys in one node at most. */
const keysAtOnce = 500

export interface StrayMovesOptions {
  readonly store: Store
  readonly writer: Writer
  /** Removes those of the keys that only strays keep, with further operations in the same batch; resolves with their number. */
  readonly remove: (suspects: readonly string[], extra: readonly StoreOperation[]) => Promise<number>
  readonly platform: Platform
}

/**
 * Takes moves out of the set that outlived the pins that they moved: whoever unpinned knew nothing
 * of the move, and for the replicated set it is an addition that wins. Which keys to look at stands
 * on disk since the merge that brought them, so a restart forgets none.
 */
export class StrayMoves {
  readonly #options: StrayMovesOptions
  #cancelTimer: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  #signal: AbortSignal | undefined
  /** Looks that failed in a row. */
  #failures = 0

  constructor (options: StrayMovesOptions) {
    this.#options = options
    // What failed to be written may be on disk all the same.
    options.writer.onReload(async () => { this.#schedule() })
    options.writer.onCommit(({ suspects }) => { if (suspects.length > 0 || this.#failures > 0) this.#scheduleAnew() })
  }

  start (signal: AbortSignal): void {
    this.#signal = signal
    signal.addEventListener('abort', () => { this.#cancelTimer?.() }, { once: true })
    // There may be some of an earlier run.
    this.#schedule()
  }

  /** Resolves when nothing runs any more; the signal of {@link start} ends it. */
  async stopped (): Promise<void> { await this.#running }

  /** The disk takes writes: what was put off because it did not need not wait. */
  #scheduleAnew (): void {
    if (this.#failures > 0) {
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      this.#failures = 0
    }
    this.#schedule()
  }

  #schedule (): void {
    const { clock, random } = this.#options.platform
    if (this.#signal?.aborted !== false) return
    const pauseMs = this.#failures === 0 ? 0 : Math.min(retryMs.longest, retryMs.first * 2 ** (this.#failures - 1))
    this.#cancelTimer ??= clock.after(pauseMs + random.fraction() * longestDelayMs, () => {
      this.#cancelTimer = undefined
      this.#running = this.#running.then(() => this.#look())
    })
  }

  /** Goes once through what is noted; what comes meanwhile has a time of its own. */
  async #look (): Promise<void> {
    const { store, remove, platform: { loggers } } = this.#options
    const logger = loggers.component('crdt')
    try {
      for (let after = `${suspectPrefix}/`; this.#signal?.aborted === false;) {
        const noted: string[] = []
        for await (const keys of store.keys({ gt: after, lt: prefixEnd(`${suspectPrefix}/`), limit: keysAtOnce })) noted.push(...keys)
        const last = noted.at(-1)
        if (last === undefined) break
        const removed = await remove(noted.map(key => key.slice(suspectPrefix.length)), noted.map(key => ({ type: 'del', key })))
        if (removed > 0) logger.info({ pins: removed }, 'pins that were moved to other peers while somebody unpinned them are gone now')
        after = last
      }
      this.#failures = 0
    } catch (error) {
      if (this.#failures++ === 0) logger.warn(`moves of removed pins could not be taken back and it is tried again: ${errorText(error)}`)
      this.#schedule()
    }
  }
}
