import { errorText } from '../../domain/errors.ts'
import { sleep, type Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Store } from '../../platform/store.ts'
import { Wake } from '../../platform/wake.ts'
import type { Pinset } from '../../state/pinset.ts'
import { BurstPace } from './burst-pace.ts'
import type { DeltaWriter } from './delta-writer.ts'
import type { Intent, Journal } from './journal.ts'
import type { PinValues } from './pin-values.ts'
import type { Writer } from './writer.ts'

/** A delta is closed when its elements have this many bytes (spec/wire.md 6.4). */
const maxDeltaBytes = 1024 * 1024
/** Bytes that key, origin and protobuf framing add to an element. */
const elementOverheadBytes = 160
/** A delta with more intents would hold the event loop for too long. */
const maxIntentsPerDelta = 2_000
/** The first retry after a failed write, doubled up to the last. */
const firstRetryMs = 200
const lastRetryMs = 10_000

/** When a delta is made of what waits. */
export interface BatchOptions {
  /** Make a delta when so many changes wait… */
  readonly maxSize: number
  /** …or when the oldest waits for so long. */
  readonly maxAgeMs: number
  /** So many changes may wait for their delta; more are refused, also without batches. Absent: any number. */
  readonly maxQueueSize?: number
}

export interface PublisherOptions {
  readonly deltas: DeltaWriter
  readonly writer: Writer
  readonly store: Store
  readonly journal: Journal
  readonly pinset: Pinset
  readonly values: PinValues
  readonly clock: Clock
  readonly logger: Logger
  readonly batching: BatchOptions | undefined
}

/**
 * Makes deltas of durable intents, in their order. Without `batching` the first waiting intent
 * starts a delta at once; those that come while it is written, or soon after, share the next
 * ({@link BurstPace}): a burst becomes a few deltas a second.
 */
export class DeltaPublisher {
  readonly #options: PublisherOptions
  #queue: Intent[] = []
  readonly #wake = new Wake()
  readonly #pace: BurstPace
  /** So many of the first have waited long enough, or are enough: more than one delta takes, perhaps. */
  #due = 0
  #isFlushing = false
  #idle: Array<() => void> = []
  /** Callers that wait until fewer changes wait. */
  readonly #crowd = new Set<() => void>()
  #hasEnded = false
  #busy = false
  #failing: string | undefined

  constructor (options: PublisherOptions) {
    this.#options = options
    this.#pace = new BurstPace(options.clock)
    options.writer.onReload(() => this.#reload())
    options.store.onOpenedAnew?.(() => { this.#wake.call() })
  }

  /** Takes the intents of an earlier run, with what came behind them. */
  async restore (intents: readonly Intent[]): Promise<void> {
    this.enqueue(intents)
    await this.#options.deltas.takeUp(intents)
  }

  /** Takes durable intents; readers see them from now on. */
  enqueue (intents: readonly Intent[]): void {
    for (const intent of intents) {
      // Now the user has seen, or could see, what came before.
      if (intent.observed === undefined) this.#options.deltas.seen(intent)
      this.#show(intent)
      if (intent.pin !== undefined) this.#options.values.note(intent.bytes, intent.pin)
      this.#queue.push(intent)
    }
    this.#pace.came()
    this.#wake.call()
  }

  /** The error of the last write, while it is being retried. */
  get failing (): string | undefined { return this.#failing }

  /** Changes that wait for their delta: several of one CID, perhaps. */
  get waiting (): number { return this.#queue.length }

  /** True when `limit` changes wait for their delta, and deltas are being written. */
  isCrowded (limit: number): boolean { return this.#queue.length >= limit && this.#failing === undefined && !this.#hasEnded }

  /**
   * Resolves when fewer than `limit` changes wait for their delta; also when none can be written now
   * ({@link failing}) or ever again. @throws the reason of the signal
   */
  async room (limit: number, signal?: AbortSignal): Promise<void> {
    while (this.isCrowded(limit)) {
      signal?.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      const wake = (): void => { resolve() }
      this.#crowd.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
      await promise
      signal?.removeEventListener('abort', wake)
      this.#crowd.delete(wake)
    }
  }

  /** Resolves when all that was enqueued is in deltas, or cannot be written now ({@link failing}); does not wait for age or pace. */
  async flush (): Promise<void> {
    this.#isFlushing = true
    this.#wake.call()
    if ((this.#queue.length > 0 || this.#busy || this.#isStale()) && this.#failing === undefined) await new Promise<void>(resolve => { this.#idle.push(resolve) })
    this.#isFlushing = false
  }

  /** The loop; ends with the signal. */
  async run (signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#queue.length === 0 && !this.#isStale()) {
        this.#busy = false
        this.#tellIdle()
        await this.#wake.rest(signal)
        continue
      }
      await this.#waitForBatch(signal)
      this.#busy = true
      await this.#commitWithRetry(signal)
      this.#tellCrowd()
      if (!this.#isFlushing) await this.#pace.rest(() => this.#isEnough(), signal)
    }
    this.#hasEnded = true
    this.#tellCrowd()
  }

  #tellCrowd (): void {
    for (const wake of this.#crowd) wake()
  }

  async #waitForBatch (signal: AbortSignal): Promise<void> {
    const { batching, clock } = this.#options
    if (batching === undefined || this.#due > 0) return
    const oldest = clock.monotonic()
    while (!signal.aborted && !this.#isFlushing && !this.#isStale() && this.#queue.length < batching.maxSize) {
      const left = batching.maxAgeMs - (clock.monotonic() - oldest)
      if (left <= 0) {
        this.#due = this.#queue.length
        return
      }
      await this.#wake.rest(signal, { clock, timeMs: left })
    }
    this.#due = this.#queue.length - this.#queue.length % batching.maxSize
  }

  /** Whether what waits need not wait for more; with `batching` the operator has said when. */
  #isEnough (): boolean {
    return this.#isFlushing || this.#options.batching !== undefined || this.#batchLength() < this.#queue.length
  }

  /** So many of the waiting changes go into the next delta. */
  #batchLength (): number {
    let bytes = 0
    let length = 0
    const most = Math.min(this.#queue.length, this.#options.batching?.maxSize ?? maxIntentsPerDelta, maxIntentsPerDelta)
    for (; length < most; length++) {
      bytes += (this.#queue[length] as Intent).bytes.length + elementOverheadBytes
      if (length > 0 && bytes > maxDeltaBytes) break
    }
    return length
  }

  async #commitWithRetry (signal: AbortSignal): Promise<void> {
    for (let delay = firstRetryMs; !signal.aborted; delay = Math.min(delay * 2, lastRetryMs)) {
      try {
        await this.#options.writer.turn(async () => {
          const batch = this.#queue.slice(0, this.#batchLength())
          await this.#options.deltas.commit(batch, this.#queue[batch.length])
          this.#queue.splice(0, batch.length)
          this.#due = Math.max(0, this.#due - batch.length)
        })
        this.#failing = undefined
        return
      } catch (error) {
        this.#failing = errorText(error)
        this.#tellIdle()
        this.#tellCrowd()
        this.#options.logger.error({ changes: this.#queue.length, retryMs: delay }, `a delta could not be written and is tried again; the changes are safe in the journal: ${errorText(error)}`)
        await sleep(this.#options.clock, delay, signal).catch(() => {})
      }
    }
  }

  /** After a failure of the store: what is left of the journal takes the place of what was waiting. */
  async #reload (): Promise<void> {
    const { pinset, journal } = this.#options
    const { last } = journal
    const left = await journal.stored(last)
    for (const intent of this.#queue) pinset.dropPending(intent)
    this.#queue = [...left, ...this.#queue.filter(intent => intent.entry > last)]
    this.#due = Math.min(this.#due, this.#queue.length)
    for (const intent of this.#queue) this.#show(intent)
    await this.#options.deltas.takeUp(this.#queue)
    void journal.dropRefused()
  }

  #isStale (): boolean { return this.#options.writer.isStale() }

  /** Shows the intent to readers, unless it is a move of another pin than the one that they see. */
  #show (intent: Intent): void {
    const { pinset } = this.#options
    const before = pinset.pending(intent.cid)
    if (before === undefined || this.#options.deltas.follows(intent, before.pin)) pinset.showPending(intent)
  }

  #tellIdle (): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
