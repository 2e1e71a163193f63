import type { ProtobufMessage } from '../../codec/message.ts'
import { cidFromKey, type Cid } from '../../domain/cid.ts'
import type { Pin } from '../../domain/pin.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import type { PendingChange, Pinset } from '../../state/pinset.ts'
import type { DeltaNode } from './delta.ts'
import { pinDigest, type Intent, type Journal } from './journal.ts'
import { LaterElements } from './later-elements.ts'
import { compareBytes, type KeyPart } from './merge.ts'
import { keyOfPin, type PinValues } from './pin-values.ts'
import type { Prepared, PreparedNode, Replica } from './replica.ts'
import type { Commit, Writer } from './writer.ts'

const noParts: ReadonlyMap<string, KeyPart> = new Map()

export interface DeltaWriterOptions {
  readonly writer: Writer
  readonly replica: Replica
  readonly store: Store
  readonly journal: Journal
  readonly pinset: Pinset
  readonly codec: ProtobufMessage<Pin>
  /** Those of the writer: what was read for the journal is not read again. */
  readonly values: PinValues
  /** Whether other peers hear of our deltas: then they are on disk first. */
  readonly isHeard: () => boolean
  /** A delta of ours is about to be written that may be lost again. */
  readonly mayLose: () => void
  /** The highest priority seen in nodes that are not merged yet: what is newer than they must say so. */
  readonly priorityFloor: () => number
  /** A delta of ours is written, and perhaps on disk already. */
  readonly onDelta: (node: DeltaNode, isDurable: boolean) => void
}

/** Makes nodes of what is to be changed here, and writes them with all that belongs to them. */
export class DeltaWriter {
  readonly #options: DeltaWriterOptions
  /** What came from others behind the unpins that wait. */
  readonly #later = new LaterElements()

  constructor (options: DeltaWriterOptions) {
    this.#options = options
    const isRemoved = (key: string): boolean => this.#isRemoved(key)
    const partsBehind = ({ parts = noParts }: Prepared): ReadonlyMap<string, KeyPart> => options.pinset.pendingCount() > 0 || options.journal.hasRemovals ? parts : noParts
    options.writer.onPrepared(prepared => this.#later.operations(partsBehind(prepared), key => this.#removedBy(key)))
    options.writer.onCommit(prepared => { this.#later.note(partsBehind(prepared), isRemoved) })
  }

  /** Takes what came behind the intents that wait from the store. */
  takeUp (waiting: readonly Intent[]): Promise<void> { return this.#later.load(this.#options.store, waiting) }

  /** The user who has made the change has seen, or could see, what came before. */
  seen (change: Intent): void { this.#later.forget(keyOfPin(change)) }

  /** False for a move of another pin than this one. */
  follows ({ observed }: Intent, pin: Pin | undefined): boolean {
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
      else if (this.follows(intent, before.pin)) latest.set(intent.cid, { ...intent, observed: before.observed })
    }
    const moves = [...latest.values()].filter(({ observed }) => observed !== undefined)
    const still = new Map<Cid, PendingChange>()
    if (moves.length === 0) return { latest, still }
    const stored = await store.getMany(moves.map(({ cid }) => pinset.valueKey(cid)))
    for (const [i, move] of moves.entries()) {
      const value = stored[i]
      const pin = value && this.#options.values.read(value)
      if (this.follows(move, pin)) continue
      latest.delete(move.cid)
      still.set(move.cid, { cid: move.cid, pin })
    }
    return { latest, still }
  }

  /** What the intents of a batch add up to becomes one node; `after` is the first one that still waits. Within a turn of the writer. */
  async commit (batch: readonly Intent[], after: Intent | undefined): Promise<void> {
    const { replica, journal } = this.#options
    const { latest, still } = await this.#summed(batch)
    const additions = new Map<string, Uint8Array>()
    const removals: string[] = []
    const moves: string[] = []
    for (const intent of latest.values()) {
      const key = keyOfPin(intent)
      if (intent.pin === undefined) removals.push(key)
      else additions.set(key, intent.bytes)
      if (intent.observed !== undefined) moves.push(key)
    }
    const later = this.#later.of(removals)
    const next = after?.entry ?? Infinity
    const extra = [...journal.finish(batch, after), ...this.#later.removal(next)]
    // Without fsync the intents stay in the journal until this is on disk, and the next journal
    // entry takes it there. Others may hear of a node only when it cannot be lost any more.
    const { prepared, sync } = await this.#lastPart(removals, left => replica.prepareLocal(additions, left, { priorityFloor: this.#options.priorityFloor(), moves, later }))
    for (const [cid, change] of await this.#outliving(later.keys(), prepared)) {
      latest.delete(cid)
      if (change !== undefined) still.set(cid, change)
    }
    // Whoever has seen a move that came to nothing, and acted on it, is told what is there.
    await this.#write({ prepared, extra, known: new Map<Cid, PendingChange>([...still, ...latest]), sync })
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
    const { isHeard, onDelta } = this.#options
    let prepared = await prepare(removals)
    const sync = isHeard()
    for (; prepared !== undefined && prepared.left.length > 0; prepared = await prepare(prepared.left)) {
      await this.#write({ prepared, sync })
      onDelta(prepared.node, sync)
    }
    return { prepared, sync }
  }

  #write (commit: Commit): Promise<void> {
    const { writer, mayLose } = this.#options
    // At once before: a sync that begins from here on covers it, one that has begun does not.
    if (commit.prepared !== undefined && !commit.sync) mayLose()
    return writer.commit(commit)
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
   * One node for these pins, as bytes by key, without journal and pace: for a peer that does not run.
   * Equal pins on equal heads give an equal node.
   */
  async commitPins (pins: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const { writer, replica } = this.#options
    await writer.turn(async () => { await this.#write({ prepared: await replica.prepareLocal(pins, []), sync: false }) })
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
      await this.#write({ prepared, extra, sync: sync && prepared !== undefined })
      if (prepared !== undefined) onDelta(prepared.node, sync)
      return strays.length
    })
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
}
