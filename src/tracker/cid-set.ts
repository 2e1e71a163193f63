import type { Cid } from '../domain/cid.ts'
import type { Random } from '../platform/random.ts'
import { HashTable } from './hash-table.ts'

/**
 * Tables that the hashes are spread over: each grows by itself, which takes as long as it has hashes. One
 * of ten million would hold up everything else for a second.
 */
const tablesBits = 6

/**
 * A set of CIDs in 12 bytes each (15 to 30 with the free slots: 200,000 CIDs in 3 MiB).
 *
 * It holds no CIDs but keyed 96-bit hashes of their text, so `has` can be wrong in one way: a CID
 * that was never added may be taken for one that was. With n CIDs in the set and m asked for, the
 * odds of a single wrong answer are n·m / 2^96: below 10^-14 for ten million of each. The key is
 * random, so nobody can make CIDs that collide; HalfSipHash (Aumasson, Bernstein 2012; one round
 * a word, three at the end) is made for this.
 */
export class CidSet {
  readonly #key0: number
  readonly #key1: number
  readonly #tables = Array.from({ length: 1 << tablesBits }, () => new HashTable())
  /** The last hash made: three words without an object for them. */
  #a = 0
  #b = 0
  #c = 0

  constructor (random: Random) {
    const key = random.bytes(8)
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
    this.#key0 = view.getInt32(0)
    this.#key1 = view.getInt32(4)
  }

  get size (): number { return this.#tables.reduce((sum, { size }) => sum + size, 0) }
  get sizeBytes (): number { return this.#tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }

  has (cid: Cid): boolean {
    this.#hash(cid)
    return this.#table.has(this.#a, this.#b, this.#c)
  }

  /** @returns false when it was there */
  add (cid: Cid): boolean {
    this.#hash(cid)
    return this.#table.add(this.#a, this.#b, this.#c)
  }

  /** That of the last hash. */
  get #table (): HashTable { return this.#tables[this.#b >>> (32 - tablesBits)] as HashTable }

  #hash (cid: string): void {
    let v0 = this.#key0
    let v1 = this.#key1
    let v2 = 0x6c796765 ^ this.#key0
    let v3 = 0x74656462 ^ this.#key1
    const length = cid.length
    const whole = length & ~3
    for (let at = 0; at <= whole; at += 4) {
      // The last word holds what is left of the text and its length. Texts of CIDs are ASCII.
      const word = at < whole
        ? cid.charCodeAt(at) | (cid.charCodeAt(at + 1) << 8) | (cid.charCodeAt(at + 2) << 16) | (cid.charCodeAt(at + 3) << 24)
        : (at < length ? cid.charCodeAt(at) : 0) | (at + 1 < length ? cid.charCodeAt(at + 1) << 8 : 0) | (at + 2 < length ? cid.charCodeAt(at + 2) << 16 : 0) | (length << 24)
      v3 ^= word
      v0 = (v0 + v1) | 0; v1 = (v1 << 5) | (v1 >>> 27); v1 ^= v0; v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0; v3 = (v3 << 8) | (v3 >>> 24); v3 ^= v2
      v0 = (v0 + v3) | 0; v3 = (v3 << 7) | (v3 >>> 25); v3 ^= v0
      v2 = (v2 + v1) | 0; v1 = (v1 << 13) | (v1 >>> 19); v1 ^= v2; v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    v2 ^= 0xee
    for (let round = 0; round < 9; round++) {
      v0 = (v0 + v1) | 0; v1 = (v1 << 5) | (v1 >>> 27); v1 ^= v0; v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0; v3 = (v3 << 8) | (v3 >>> 24); v3 ^= v2
      v0 = (v0 + v3) | 0; v3 = (v3 << 7) | (v3 >>> 25); v3 ^= v0
      v2 = (v2 + v1) | 0; v1 = (v1 << 13) | (v1 >>> 19); v1 ^= v2; v2 = (v2 << 16) | (v2 >>> 16)
      if (round === 2) { this.#a = (v1 ^ v3) >>> 0; v1 ^= 0xdd }
      if (round === 5) { this.#b = (v1 ^ v3) >>> 0; v1 ^= 0xcc }
    }
    // Never 0: that is a free slot of a table.
    this.#c = ((v1 ^ v3) >>> 0) || 1
  }
}
