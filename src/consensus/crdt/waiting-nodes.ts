import type { Waiters, WalkChange, WalkRecords } from './walk-records.ts'

/** Who waits for what, as it stands on disk and as one step changes it. */
export class WaitingNodes {
  readonly #records: WalkRecords
  readonly #change: WalkChange
  readonly #waiters = new Map<string, Waiters>()
  /** Nodes that came to wait in this step behind a first one: not on disk yet. */
  readonly #here = new Map<string, string[]>()

  constructor (records: WalkRecords, change: WalkChange) {
    this.#records = records
    this.#change = change
  }

  /** A node comes to wait for `on`. Answers whether it stands in the list, behind a first one. */
  add (node: string, on: string): boolean {
    const waiters = this.#of(on)
    if (waiters.first === undefined) {
      this.#set(on, { ...waiters, first: node })
      return false
    }
    this.#set(on, { ...waiters, hasMore: true })
    const here = this.#here.get(on)
    if (here === undefined) this.#here.set(on, [node])
    else here.push(node)
    return true
  }

  /** Nodes that wait for `on`, or did until this step; of those on disk up to `limit`. */
  async find (on: string, limit: number): Promise<{ names: string[], mayBeMore: boolean, first: string | undefined }> {
    const { first, hasMore } = this.#of(on)
    const stored = hasMore ? await this.#records.waiting(on, limit) : []
    const names = new Set([...first === undefined ? [] : [first], ...stored, ...this.#here.get(on) ?? []])
    // Those found last were all.
    if (hasMore && names.size === 0) this.drained(on, true)
    return { names: [...names], mayBeMore: hasMore && stored.length >= limit, first }
  }

  /** Who waited for `on` was looked at; all of them, or but the first and some. */
  drained (on: string, isAll: boolean): void { this.#set(on, { first: undefined, hasMore: !isAll }) }

  #of (on: string): Waiters {
    let waiters = this.#waiters.get(on)
    if (waiters === undefined) this.#waiters.set(on, waiters = this.#records.waiters(on))
    return waiters
  }

  #set (on: string, waiters: Waiters): void {
    this.#waiters.set(on, waiters)
    this.#change.setWaiters(on, waiters)
  }
}
