import { makeSalsa20Module, salsa20BufferBytes, salsa20GroupBytes, salsa20Memory, type Salsa20Module } from './salsa20-module.ts'

const blockBytes = 64
const blocksPerCounterWord = 2 ** 32
/** "expand 32-byte k" */
const sigma = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const

interface Machine { readonly xor: Salsa20Module['xor'], readonly words: Uint32Array, readonly buffer: Uint8Array }

/** All connections share it: a call leaves nothing behind that another one reads. */
let machine: Machine | undefined

/** XSalsa20 (Bernstein, "Extending the Salsa20 nonce", 2011): the key stream of one direction of a connection. */
export class XSalsa20 {
  readonly #state: Uint32Array
  /** Bytes of the key stream that are used up. */
  #at = 0

  /** @param key 32 bytes @param nonce 24 bytes */
  constructor (key: Uint8Array, nonce: Uint8Array) {
    const [n0, n1, n2, n3, n4, n5] = readWords(nonce) as [number, number, number, number, number, number]
    this.#state = stateOf(hsalsa20(stateOf(readWords(key), [n0, n1, n2, n3])), [n4, n5, 0, 0])
  }

  /** Encrypts or decrypts the next bytes into `output` from `outputAt` on; it may be the same memory. */
  update (input: Uint8Array, output: Uint8Array, outputAt = 0): void {
    const { xor, words, buffer } = machine ??= makeMachine()
    words.set(this.#state, salsa20Memory.state / 4)
    for (let done = 0; done < input.length;) {
      const offset = this.#at % blockBytes
      const length = Math.min(input.length - done, salsa20BufferBytes - salsa20GroupBytes - offset)
      this.#writeCounters(words)
      buffer.set(done === 0 && length === input.length ? input : input.subarray(done, done + length), offset)
      xor(Math.ceil((offset + length) / salsa20GroupBytes))
      output.set(buffer.subarray(offset, offset + length), outputAt + done)
      done += length
      this.#at += length
    }
  }

  #writeCounters (words: Uint32Array): void {
    const first = Math.floor(this.#at / blockBytes)
    for (let block = 0; block < 4; block++) {
      words[salsa20Memory.counterLow / 4 + block] = (first + block) % blocksPerCounterWord
      words[salsa20Memory.counterHigh / 4 + block] = Math.floor((first + block) / blocksPerCounterWord)
    }
  }
}

function makeMachine (): Machine {
  const { memory, xor } = makeSalsa20Module()
  return { xor, words: new Uint32Array(memory.buffer, 0, salsa20Memory.buffer / 4), buffer: new Uint8Array(memory.buffer, salsa20Memory.buffer, salsa20BufferBytes) }
}

/** The 4 × 4 words that a block is made from: constants on the diagonal, key, nonce and counter. */
function stateOf (key: readonly number[], input: readonly [number, number, number, number]): Uint32Array {
  const [s0, s1, s2, s3] = sigma
  return Uint32Array.of(s0, ...key.slice(0, 4), s1, ...input, s2, ...key.slice(4), s3)
}

/** The key for the last 8 bytes of the nonce: the words of a block that it does not hide by its addition. */
function hsalsa20 (state: Uint32Array): number[] {
  const x = state
  const step = (target: number, a: number, b: number, bits: number): void => {
    const sum = ((x[a] as number) + (x[b] as number)) >>> 0
    x[target] = (x[target] as number) ^ ((sum << bits) | (sum >>> (32 - bits)))
  }
  const quarterRound = (a: number, b: number, c: number, d: number): void => {
    step(b, a, d, 7)
    step(c, b, a, 9)
    step(d, c, b, 13)
    step(a, d, c, 18)
  }
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarterRound(5 * i, (5 * i + 4) % 16, (5 * i + 8) % 16, (5 * i + 12) % 16)
    for (let i = 0; i < 4; i++) quarterRound(5 * i, 4 * i + (i + 1) % 4, 4 * i + (i + 2) % 4, 4 * i + (i + 3) % 4)
  }
  return [0, 5, 10, 15, 6, 7, 8, 9].map(i => x[i] as number)
}

function readWords (bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true))
}
