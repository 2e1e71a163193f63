import type { StoreRange } from '../platform/store.ts'

/** Values by key with the keys in order: quick for some ten thousand of them. */
export class SortedMap {
  readonly #values = new Map<string, Uint8Array>()
  readonly #keys: string[] = []

  get size (): number { return this.#keys.length }
  get (key: string): Uint8Array | undefined { return this.#values.get(key) }

  set (key: string, value: Uint8Array): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#position(key), 0, key)
    this.#values.set(key, value)
  }

  delete (key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#position(key), 1)
  }

  /** The keys of a range as of now. */
  range (range: StoreRange): string[] {
    const { gt, gte, lt, lte, reverse = false, limit = Infinity } = range
    let from = 0
    let to = this.#keys.length
    if (gte !== undefined) from = Math.max(from, this.#position(gte))
    if (gt !== undefined) from = Math.max(from, this.#position(gt, true))
    if (lt !== undefined) to = Math.min(to, this.#position(lt))
    if (lte !== undefined) to = Math.min(to, this.#position(lte, true))
    if (from >= to) return []
    if (!reverse) return this.#keys.slice(from, Math.min(to, from + limit))
    return this.#keys.slice(Math.max(from, to - limit), to).toReversed()
  }

  /** The first place whose key is not below `key`, or is above it when `behind`. */
  #position (key: string, behind = false): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.#keys[middle] as string
      if (found < key || (behind && found === key)) low = middle + 1
      else high = middle
    }
    return low
  }
}
