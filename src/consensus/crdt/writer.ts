import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import type { StoredChangeLog } from '../../state/change-log.ts'
import type { PendingChange, Pinset } from '../../state/pinset.ts'
import type { PinValues } from './pin-values.ts'
import type { Prepared, Replica } from './replica.ts'

export interface WriterOptions {
  readonly store: Store
  readonly replica: Replica
  readonly pinset: Pinset
  readonly changes: StoredChangeLog
  readonly values: PinValues
}

/** What goes into one batch. */
export interface Commit {
  /** Nodes that are merged. */
  readonly prepared?: Prepared | undefined
  /** Further operations of the same batch. */
  readonly extra?: readonly StoreOperation[]
  /**
   * Changes that readers are told of even if they change nothing: they may have seen the opposite
   * in a delta that a crash took back, or in a change that came to nothing.
   */
  readonly known?: ReadonlyMap<Cid, PendingChange>
  /** On disk when it resolves. */
  readonly sync: boolean
}

/**
 * The one writer of the replica, for local changes and for nodes of others: what is prepared
 * rests on what is stored, so one turn at a time prepares and commits. After a failure of the
 * store, the next turn first takes everything anew from what the store has then.
 */
export class Writer {
  readonly #options: WriterOptions
  readonly #reloads: Array<() => Promise<void>> = []
  readonly #listeners: Array<(prepared: Prepared) => void> = []
  readonly #companions: Array<(prepared: Prepared) => readonly StoreOperation[]> = []
  /** The opening of the store from which all that is kept in memory is. */
  #opening: number | undefined
  #hasFailed = false
  #last: Promise<unknown> = Promise.resolve()

  constructor (options: WriterOptions) {
    this.#options = options
    this.#opening = options.store.openings?.()
  }

  /** `reload` is called at the begin of a turn, when what is on disk may differ from what was thought. */
  onReload (reload: () => Promise<void>): void { this.#reloads.push(reload) }

  /** `listener` is called after each commit that merged something. */
  onCommit (listener: (prepared: Prepared) => void): void { this.#listeners.push(listener) }

  /** What `operations` answers goes into the batch of what is merged. */
  onPrepared (operations: (prepared: Prepared) => readonly StoreOperation[]): void { this.#companions.push(operations) }

  /** Whether the store was opened anew and nobody had a turn since. */
  isStale (): boolean { return this.#options.store.openings?.() !== this.#opening }

  /** The opening of the store that the last turn has seen. */
  get opening (): number | undefined { return this.#opening }

  /** @throws ClusterError `STORE_FAILED` when what was read from that opening may be gone */
  refuseAnew (opening: number | undefined): void {
    if (opening !== undefined && opening !== this.#options.store.openings?.()) throw new ClusterError('STORE_FAILED', 'the datastore was opened anew while the set was looked over')
  }

  /**
   * Does the work when all turns asked for before are over.
   * @throws ClusterError as {@link refuseAnew}, for work that rests on what was read before
   */
  turn<T> (work: () => Promise<T>, opening?: number): Promise<T> {
    const turn = this.#last.then(async () => {
      await this.#reloadIfStale()
      this.refuseAnew(opening)
      return work()
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  /**
   * What was written last before a failure may be on disk or not: after it, heads, count, change
   * log and all that others keep are those of the store.
   */
  async #reloadIfStale (): Promise<void> {
    const { store, replica, pinset, changes } = this.#options
    // The empty batch makes a store that has failed open anew.
    if (this.#hasFailed) await store.batch([], { sync: false })
    this.#hasFailed = false
    if (!this.isStale()) return
    const opening = store.openings?.()
    await replica.load()
    await pinset.load()
    for (const reload of this.#reloads) await reload()
    // Last: who is told of the changes that were on disk all the same reads what the pinset shows by then.
    await changes.load()
    this.#opening = opening
  }

  /** Writes merged nodes with their index entries, count and changes, in one batch; within a {@link turn}. */
  async commit ({ prepared, extra = [], known = new Map(), sync }: Commit): Promise<void> {
    const { pinset, changes, store, values } = this.#options
    const pinChanges = (prepared?.changes ?? []).map(change => ({
      cid: change.cid,
      pin: change.value && values.read(change.value),
      value: change.value,
      previous: change.previous && values.read(change.previous),
      previousValue: change.previous,
    }))
    const { operations, figures } = pinset.operations(pinChanges)
    const told = new Map<Cid, PendingChange>([...pinChanges.map(change => [change.cid, change] as const), ...known])
    const { operations: logOperations, numbered } = changes.append([...told.values()].map(({ cid, pin }) => ({ cid, pin })))
    const companions = prepared === undefined ? [] : this.#companions.flatMap(operationsOf => operationsOf(prepared))
    try {
      await store.batch([...prepared?.operations ?? [], ...operations, ...logOperations, ...companions, ...extra], { sync, opening: this.#opening })
    } catch (error) {
      this.#hasFailed = true
      throw error
    }
    prepared?.applied()
    pinset.applied(figures)
    changes.committed(numbered)
    if (prepared !== undefined) for (const listener of this.#listeners) listener(prepared)
  }
}
