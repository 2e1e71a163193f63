const wordsPerEntry = 3
const firstCapacity = 1 << 5
/** Entries of 5 slots that may be taken before the table grows: probes stay short. */
const maxLoad = 0.8

/** A set of hashes of three words each, of which the third is never 0: it tells a taken slot from a free one. */
export class HashTable {
  #capacity = firstCapacity
  #words = new Uint32Array(firstCapacity * wordsPerEntry)
  #size = 0

  get size (): number { return this.#size }
  get sizeBytes (): number { return this.#words.byteLength }

  has (a: number, b: number, c: number): boolean { return this.#words[this.#slot(a, b, c) + 2] !== 0 }

  /** @returns false when it was there */
  add (a: number, b: number, c: number): boolean {
    const slot = this.#slot(a, b, c)
    if (this.#words[slot + 2] !== 0) return false
    this.#put(slot, a, b, c)
    this.#size++
    if (this.#size > this.#capacity * maxLoad) this.#grow()
    return true
  }

  /** Where the hash stands, or the free slot where it would. */
  #slot (a: number, b: number, c: number): number {
    const words = this.#words
    const mask = this.#capacity - 1
    for (let at = a & mask; ; at = (at + 1) & mask) {
      const slot = at * wordsPerEntry
      if (words[slot + 2] === 0 || (words[slot] === a && words[slot + 1] === b && words[slot + 2] === c)) return slot
    }
  }

  #put (slot: number, a: number, b: number, c: number): void {
    this.#words[slot] = a
    this.#words[slot + 1] = b
    this.#words[slot + 2] = c
  }

  #grow (): void {
    const old = this.#words
    this.#capacity *= 2
    this.#words = new Uint32Array(this.#capacity * wordsPerEntry)
    for (let slot = 0; slot < old.length; slot += wordsPerEntry) {
      const a = old[slot] as number
      const b = old[slot + 1] as number
      const c = old[slot + 2] as number
      if (c !== 0) this.#put(this.#slot(a, b, c), a, b, c)
    }
  }
}
