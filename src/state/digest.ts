import { hash } from 'node:crypto'

const words = 8
/** Entries are put together here to be hashed, but for the few that are larger. */
const room = Buffer.allocUnsafeSlow(4_096)

/**
 * A digest of a set of entries that does not depend on their order, and follows each change in
 * constant time: the sum modulo 2^256 of the SHA-256 hashes of all entries. It tells sets apart that
 * differ by accident; it is no proof against somebody who looks for sets with equal sums.
 */
export class SetDigest {
  readonly #words: Uint32Array

  constructor (bytes?: Uint8Array) {
    this.#words = new Uint32Array(words)
    if (bytes !== undefined) this.#combine(bytes, 1)
  }

  add (key: string, value: Uint8Array): void { this.#combine(entryHash(key, value), 1) }
  remove (key: string, value: Uint8Array): void { this.#combine(entryHash(key, value), -1) }

  copy (): SetDigest { return new SetDigest(this.bytes()) }

  /** 32 bytes. */
  bytes (): Uint8Array {
    const bytes = new Uint8Array(words * 4)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < words; i++) view.setUint32(i * 4, this.#words[i] as number)
    return bytes
  }

  toString (): string { return Buffer.from(this.bytes()).toString('hex') }

  #combine (bytes: Uint8Array, sign: 1 | -1): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, words * 4)
    let carry = 0
    for (let i = words - 1; i >= 0; i--) {
      const sum = (this.#words[i] as number) + sign * view.getUint32(i * 4) + carry
      this.#words[i] = sum
      carry = Math.floor(sum / 2 ** 32)
    }
  }
}

function entryHash (key: string, value: Uint8Array): Uint8Array {
  const length = key.length + 1 + value.length
  const entry = length <= room.length ? room.subarray(0, length) : Buffer.allocUnsafe(length)
  entry.write(key, 'latin1')
  entry[key.length] = 0
  entry.set(value, key.length + 1)
  return hash('sha256', entry, 'buffer')
}
