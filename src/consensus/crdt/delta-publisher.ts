import { cidFromKey, cidKey, type Cid } from '../../domain/cid.ts'
import { errorText } from '../../domain/errors.ts'
import type { Pin } from '../../domain/pin.ts'
import { sleep } from '../../platform/clock.ts'
import type { StoreOperation } from '../../platform/store.ts'
import { Wake } from '../../platform/wake.ts'
import type { PendingChange } from '../../state/pinset.ts'
import { BurstPace } from './burst-pace.ts'
import { pinDigest, type Intent } from './journal.ts'
import { LaterElements } from './later-elements.ts'
import { compareBytes, type KeyPart } from './merge.ts'
import { keyOfPin } from './pin-values.ts'
import type { PublisherOptions } from './publisher-options.ts'
import type { Prepared, PreparedNode, Replica } from './replica.ts'

/** A delta is closed when its elements have this many bytes (spec/wire.md 6.4). */
const maxDeltaBytes = 1024 * 1024
/** Bytes that key, origin and protobuf framing add to an element. */
const elementOverheadBytes = 160
/** A delta with more intents would hold the event loop for too long. */
const maxIntentsPerDelta = 2_000
/** The first retry after a failed write, doubled up to the last. */
const firstRetryMs = 200
const lastRetryMs = 10_000
const noParts: ReadonlyMap<string, KeyPart> = new Map()

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
  /** What came from others behind the unpins that wait. */
  readonly #later = new LaterElements()
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
    const isRemoved = (key: string): boolean => this.#isRemoved(key)
    const partsBehind = ({ parts = noParts }: Prepared): ReadonlyMap<string, KeyPart> => options.pinset.pendingCount() > 0 || options.journal.hasRemovals ? parts : noParts
    options.writer.onPrepared(prepared => this.#later.operations(partsBehind(prepared), key => this.#removedBy(key)))
    options.writer.onCommit(prepared => { this.#later.note(partsBehind(prepared), isRemoved) })
    options.store.onOpenedAnew?.(() => { this.#wake.call() })
  }

  /** Takes the intents of an earlier run, with what came behind them. */
  async restore (intents: readonly Intent[]): Promise<void> {
    this.enqueue(intents)
    await this.#later.load(this.#options.store, intents)
  }

  /** Takes durable intents; readers see them from now on. */
  enqueue (intents: readonly Intent[]): void {
    for (const intent of intents) {
      // Now the user has seen, or could see, what came before.
      if (intent.observed === undefined) this.#later.forget(keyOfPin(intent))
      this.#show(intent)
      if (intent.pin !== undefined) this.#options.values.note(intent.bytes, intent.pin)
    }
    this.#queue.push(...intents)
    this.#pace.came()
    this.#wake.call()
  }

  /** The error of the last write, while it is being retried. */
  get failing (): string | undefined { return this.#failing }

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
          await this.#commit(batch)
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
    await this.#later.load(this.#options.store, this.#queue)
    journal.dropRefused()
  }

  #isStale (): boolean { return this.#options.writer.isStale() }

  /** Shows the intent to readers, unless it is a move of another pin than the one that they see. */
  #show (intent: Intent): void {
    const { pinset } = this.#options
    const before = pinset.pending(intent.cid)
    if (before === undefined || this.#follows(intent, before.pin)) pinset.showPending(intent)
  }

  /** Whether an unpin of the key is what readers see. */
  #isRemoved (key: string): boolean {
    const cid = cidFromKey(key.slice(1))
    const pending = cid && this.#options.pinset.pending(cid)
    return pending !== undefined && pending.pin === undefined
  }

  /** The last journal entry that is on disk before a batch that is made now, when the key is unpinned by then. */
  #removedBy (key: string): number | undefined {
    const { journal } = this.#options
    const cid = cidFromKey(key.slice(1))
    if (cid !== undefined && journal.isRemoving(cid)) return journal.last + 1
    return this.#isRemoved(key) ? journal.last : undefined
  }

  /** False for a move of another pin than this one. */
  #follows ({ observed }: Intent, pin: Pin | undefined): boolean {
    if (observed === undefined) return true
    return pin !== undefined && compareBytes(pinDigest(this.#options.codec, pin), observed) === 0
  }

  /**
   * What the intents add up to: the later takes the place of the earlier, and moves only count where they follow what is there;
   * `still` is what is there where they do not.
   */
  async #summed (batch: readonly Intent[]): Promise<{ readonly latest: Map<Cid, Intent>, readonly still: Map<Cid, PendingChange> }> {
    const { store, pinset } = this.#options
    const latest = new Map<Cid, Intent>()
    for (const intent of batch) {
      const before = latest.get(intent.cid)
      if (before === undefined || intent.observed === undefined) latest.set(intent.cid, intent)
      // A move of what is written with it goes into the same element.
      else if (this.#follows(intent, before.pin)) latest.set(intent.cid, { ...intent, observed: before.observed })
    }
    const moves = [...latest.values()].filter(({ observed }) => observed !== undefined)
    const still = new Map<Cid, PendingChange>()
    if (moves.length === 0) return { latest, still }
    const stored = await store.getMany(moves.map(({ cid }) => pinset.valueKey(cid)))
    for (const [i, move] of moves.entries()) {
      const value = stored[i]
      const pin = value && this.#options.values.read(value)
      if (this.#follows(move, pin)) continue
      latest.delete(move.cid)
      still.set(move.cid, { cid: move.cid, pin })
    }
    return { latest, still }
  }

  /** What the intents add up to becomes one node. */
  async #commit (batch: readonly Intent[]): Promise<void> {
    const { replica, journal } = this.#options
    const { latest, still } = await this.#summed(batch)
    const additions = new Map<string, Uint8Array>()
    const removals: string[] = []
    const moves: string[] = []
    for (const intent of latest.values()) {
      const key = `/${cidKey(intent.cid)}`
      if (intent.pin === undefined) removals.push(key)
      else additions.set(key, intent.bytes)
      if (intent.observed !== undefined) moves.push(key)
    }
    const later = this.#later.of(removals)
    const next = this.#queue[batch.length]?.entry ?? Infinity
    const extra = [...journal.removal(this.#finishedEntries(batch)), ...this.#later.removal(next)]
    // Without fsync the intents stay in the journal until this is on disk, and the next journal
    // entry takes it there. Others may hear of a node only when it cannot be lost any more.
    const { prepared, sync } = await this.#lastPart(removals, left => replica.prepareLocal(additions, left, { priorityFloor: this.#options.priorityFloor(), moves, later }))
    for (const [cid, change] of await this.#outliving(later.keys(), prepared)) {
      latest.delete(cid)
      if (change !== undefined) still.set(cid, change)
    }
    // Whoever has seen a move that came to nothing, and acted on it, is told what is there.
    await this.#options.writer.commit({ prepared, extra, known: new Map<Cid, PendingChange>([...still, ...latest]), sync })
    for (const intent of batch) this.#options.pinset.dropPending(intent)
    for (const key of later.keys()) if (!this.#isRemoved(key)) this.#later.forget(key)
    this.#later.removed(next)
    if (prepared !== undefined) this.#options.onDelta(prepared.node, sync)
  }

  /**
   * Removals may take more than one node: writes all but the last and answers that, undefined when
   * nothing is to be changed, and whether it is to be on disk when it is written.
   */
  async #lastPart (removals: readonly string[], prepare: (left: readonly string[]) => ReturnType<Replica['prepareLocal']>): Promise<{ readonly prepared: PreparedNode | undefined, readonly sync: boolean }> {
    const { writer, isHeard, onDelta } = this.#options
    let prepared = await prepare(removals)
    const sync = isHeard()
    for (; prepared !== undefined && prepared.left.length > 0; prepared = await prepare(prepared.left)) {
      await writer.commit({ prepared, sync })
      onDelta(prepared.node, sync)
    }
    return { prepared, sync }
  }

  /** Of unpinned keys that others have pinned since what is there, unless the last node changes it. */
  async #outliving (keys: Iterable<string>, last: Prepared | undefined): Promise<Array<[Cid, PendingChange | undefined]>> {
    const { store, pinset, values } = this.#options
    const changed = new Set(last?.changes.map(({ cid }) => cid))
    const found: Array<[Cid, PendingChange | undefined]> = []
    for (const key of keys) {
      const cid = cidFromKey(key.slice(1))
      if (cid === undefined) continue
      const value = await store.get(pinset.valueKey(cid))
      found.push([cid, changed.has(cid) ? undefined : { cid, pin: value && values.read(value) }])
    }
    return found
  }

  /**
   * One node for these pins, without journal and pace: for a peer that does not run. Equal pins
   * on equal heads give an equal node.
   */
  async commitPins (pins: readonly Pin[]): Promise<void> {
    const { writer, replica, codec } = this.#options
    const additions = new Map(pins.map(pin => [`/${cidKey(pin.cid)}`, codec.encodeProtobuf(pin)]))
    await writer.turn(async () => { await writer.commit({ prepared: await replica.prepareLocal(additions, []), sync: false }) })
  }

  /**
   * Removes those of the suspect keys that only strays keep, in one node, with further operations
   * in the same batch. Resolves with their number.
   */
  removeStrays (suspects: readonly string[], extra: readonly StoreOperation[]): Promise<number> {
    const { writer, replica, priorityFloor, onDelta } = this.#options
    return writer.turn(async () => {
      const strays = await replica.strays(suspects)
      const { prepared, sync } = await this.#lastPart(strays, left => replica.prepareLocal(new Map(), left, { priorityFloor: priorityFloor() }))
      await writer.commit({ prepared, extra, sync: sync && prepared !== undefined })
      if (prepared !== undefined) onDelta(prepared.node, sync)
      return strays.length
    })
  }

  /** Journal entries of which no intent waits any more: entries come in order, so only the last can be cut in two. */
  #finishedEntries (batch: readonly Intent[]): Set<number> {
    const entries = new Set(batch.map(intent => intent.entry))
    const next = this.#queue[batch.length]
    if (next !== undefined) entries.delete(next.entry)
    return entries
  }

  #tellIdle (): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
