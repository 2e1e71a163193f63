/** A binary heap: the entry that comes before all others is at hand, in O(log n). */
export class MinHeap<T> {
  readonly #entries: T[] = []
  readonly #before: (a: T, b: T) => boolean

  constructor (before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size (): number { return this.#entries.length }

  peek (): T | undefined { return this.#entries[0] }

  push (entry: T): void {
    const entries = this.#entries
    let at = entries.length
    entries.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(entry, entries[parent] as T)) break
      entries[at] = entries[parent] as T
      at = parent
    }
    entries[at] = entry
  }

  pop (): T | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (entries.length > 0) this.#sink(last as T)
    return first
  }

  /** Takes the first entry out and puts `entry` in: one pass instead of two. */
  replaceFirst (entry: T): void {
    if (this.#entries.length === 0) this.#entries.push(entry)
    else this.#sink(entry)
  }

  /** Drops every entry that does not pass, in O(n). */
  retain (keep: (entry: T) => boolean): void {
    const kept = this.#entries.filter(keep)
    this.#entries.length = 0
    for (const entry of kept) this.push(entry)
  }

  #sink (entry: T): void {
    const entries = this.#entries
    const length = entries.length
    let at = 0
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && this.#before(entries[child + 1] as T, entries[child] as T)) child++
      if (!this.#before(entries[child] as T, entry)) break
      entries[at] = entries[child] as T
      at = child
    }
    entries[at] = entry
  }
}
