import { errorText } from '../../domain/errors.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Logger } from '../../platform/logger.ts'
import type { StoreOperation } from '../../platform/store.ts'
import type { ReplicaKeys } from './keys.ts'
import { LostHeads } from './lost-heads.ts'
import { repair, type RepairOptions } from './repair.ts'

/** What a repair found missing is fetched and merged meanwhile; then it is looked again. */
const lookAgainMs = 60_000
/** Repairs on request start at most this often. */
const pauseMs = 10 * 60_000

/** Stands while the values of the set have to be looked at too. */
const doubtfulKey = '/flotilla/doubtful'

/**
 * What the store has to do for the next start to look over everything once: for a set that another
 * program has written. The Go program marks a node as merged before its ancestors are, and may keep
 * the value of a removed key when it merges its nodes side by side.
 */
export function doubt (keys: ReplicaKeys): StoreOperation[] {
  return [keys.dirty, doubtfulKey].map(key => ({ type: 'put', key, value: new Uint8Array(0) }))
}

export interface RepairLoopOptions extends RepairOptions {
  /** How often to look whether something is to be repaired, in milliseconds; 0: only on request. */
  readonly intervalMs: number
  /** Tries once more to get nodes that were left out. */
  readonly retryHoles: () => Promise<void>
  readonly platform: Platform
}

/**
 * Repairs the set when it is marked dirty, at the start and at each interval, and on request. The
 * mark goes when nothing is missing any more (spec/wire.md 7).
 */
export class RepairLoop {
  readonly #options: RepairLoopOptions
  readonly #logger: Logger
  #isDirty = false
  #isDoubtful = false
  #cancelTimer: (() => void) | undefined
  #running: Promise<void> | undefined
  /** The one that runs looks at the values too. */
  #looksAtValues = false
  /** A repair was asked for that has not begun. */
  #isRequested = false
  /** When one that was asked for began last. */
  #requestedAt = -Infinity
  #cancelRequest: (() => void) | undefined
  #signal: AbortSignal | undefined

  constructor (options: RepairLoopOptions) {
    const { platform: { loggers, metrics } } = options
    this.#options = options
    this.#logger = loggers.component('crdt')
    metrics.gauge('ipfscluster_crdt_dirty', '1 while something of the pinset is known to be missing', () => Number(this.#isDirty))
  }

  get isDirty (): boolean { return this.#isDirty }
  get isRunning (): boolean { return this.#running !== undefined }

  /** Reads the mark. */
  async load (): Promise<void> {
    const { store, keys } = this.#options
    this.#isDirty = await store.get(keys.dirty) !== undefined
    this.#isDoubtful = await store.get(doubtfulKey) !== undefined
  }

  start (signal: AbortSignal): void {
    this.#signal = signal
    signal.addEventListener('abort', () => {
      this.#cancelTimer?.()
      this.#cancelRequest?.()
    }, { once: true })
    if (this.#options.intervalMs === 0) return
    if (this.#isDirty) {
      this.#logger.warn('store is marked dirty. Starting DAG repair operation')
      this.#begin(false)
    } else {
      this.#schedule(this.#options.intervalMs)
    }
  }

  /** Resolves when no repair runs any more; the signal of {@link start} ends it. */
  async stopped (): Promise<void> { await this.#running }

  /** Something is known to be missing; the mark is set by whoever found it. */
  noteDirty (): void { this.#isDirty = true }

  /** Asks for a repair that also looks at the values; such begin at most every ten minutes, and when another one is over. */
  request (): void {
    if (this.#looksAtValues) return
    this.#isRequested = true
    this.#beginRequested()
  }

  #beginRequested (): void {
    const { clock } = this.#options.platform
    if (!this.#isRequested || this.#running !== undefined || this.#signal?.aborted !== false) return
    const leftMs = this.#requestedAt + pauseMs - clock.monotonic()
    if (leftMs > 0) {
      this.#cancelRequest ??= clock.after(leftMs, () => {
        this.#cancelRequest = undefined
        this.#beginRequested()
      })
      return
    }
    this.#isRequested = false
    this.#requestedAt = clock.monotonic()
    this.#begin(true)
  }

  #begin (withValues: boolean): void {
    if (this.#running !== undefined || this.#signal === undefined || this.#signal.aborted) return
    this.#looksAtValues = withValues || this.#isDoubtful
    this.#running = this.#repair(this.#looksAtValues, this.#signal).finally(() => {
      this.#running = undefined
      this.#looksAtValues = false
      this.#beginRequested()
    })
  }

  async #repair (withValues: boolean, signal: AbortSignal): Promise<void> {
    const { intervalMs, retryHoles, platform: { clock } } = this.#options
    const begin = clock.monotonic()
    let next = intervalMs
    try {
      await retryHoles()
      const report = await repair(this.#options, { withValues, signal })
      const seconds = Math.round((clock.monotonic() - begin) / 1_000)
      await this.#noteResult(report.missing > 0)
      if (report.missing > 0) next = lookAgainMs
      if (report.missing + report.falseHeads + report.lostHeads + report.corrected > 0) this.#logger.warn({ ...report }, `DAG repair found what was missing or wrong; it is fetched and merged. Took ${seconds}s`)
      else this.#logger.info({ ...report }, `DAG repair finished. Took ${seconds}s`)
    } catch (error) {
      if (signal.aborted) return
      next = lookAgainMs
      // What is doubtful is dirty too, and looked at then.
      if (withValues && !this.#isDoubtful) this.#isRequested = true
      this.#logger.error(`DAG repair could not go on and is tried again: ${errorText(error)}`)
    }
    if (next > 0) this.#schedule(next)
  }

  /** Sets the mark, or takes it away; within a turn, so that it counts what became a hole meanwhile. */
  #noteResult (isMissing: boolean): Promise<void> {
    const { store, keys, writer, records } = this.#options
    return writer.turn(async () => {
      const isDirty = isMissing || records.summary.hole > 0
      if (isDirty === this.#isDirty && !this.#isDoubtful) return
      const operations: StoreOperation[] = [isDirty ? { type: 'put', key: keys.dirty, value: new Uint8Array(0) } : { type: 'del', key: keys.dirty }, { type: 'del', key: doubtfulKey }]
      await store.batch(operations, { sync: true })
      this.#isDirty = isDirty
      this.#isDoubtful = false
    })
  }

  #schedule (delayMs: number): void {
    if (this.#signal?.aborted !== false) return
    this.#cancelTimer?.()
    this.#cancelTimer = this.#options.platform.clock.after(delayMs, () => {
      if (this.#isDirty) this.#begin(false)
      else this.#forgetLook()
    })
  }

  /** Clears away what a look noted that was cut off: nobody may ever ask for another one. */
  #forgetLook (): void {
    if (this.#signal === undefined || this.#running !== undefined) return
    // What cannot be removed now is removed the next time.
    this.#running = LostHeads.forget(this.#options.store, this.#signal).catch(() => {}).finally(() => {
      this.#running = undefined
      this.#schedule(this.#options.intervalMs || lookAgainMs)
      this.#beginRequested()
    })
  }
}
