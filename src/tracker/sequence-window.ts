/** Sequences of one block: a bit each. */
const blockSize = 1024
const wordsPerBlock = blockSize / 32

interface Block { open: number, readonly bits: Uint32Array }

/**
 * Up to where all is handled, when things begin in order and end in any. Begin, end and ask are
 * O(1); memory is a bit for each sequence between the first open one and the last.
 */
export class SequenceWindow {
  /** In order of their first sequence, because sequences are opened in order. */
  readonly #blocks = new Map<number, Block>()
  #last = 0

  /** The sequence began. One that is read a second time is left as it is. */
  open (sequence: number): void {
    if (sequence <= this.#last) return
    this.#last = sequence
    const number = Math.floor(sequence / blockSize)
    let block = this.#blocks.get(number)
    if (block === undefined) {
      block = { open: 0, bits: new Uint32Array(wordsPerBlock) }
      this.#blocks.set(number, block)
    }
    const bit = sequence % blockSize
    block.open++
    block.bits[bit >> 5] = (block.bits[bit >> 5] as number) | (1 << (bit & 31))
  }

  /** The sequence ended. One that is not open is left as it is. */
  close (sequence: number): void {
    const number = Math.floor(sequence / blockSize)
    const block = this.#blocks.get(number)
    if (block === undefined) return
    const bit = sequence % blockSize
    const word = block.bits[bit >> 5] as number
    const mask = 1 << (bit & 31)
    if ((word & mask) === 0) return
    block.bits[bit >> 5] = word & ~mask
    block.open--
    if (block.open === 0) this.#blocks.delete(number)
  }

  isOpen (sequence: number): boolean {
    const block = this.#blocks.get(Math.floor(sequence / blockSize))
    const bit = sequence % blockSize
    return block !== undefined && ((block.bits[bit >> 5] as number) & (1 << (bit & 31))) !== 0
  }

  /** All sequences up to this one have ended. */
  get handledUpTo (): number {
    for (const [number, block] of this.#blocks) {
      const index = block.bits.findIndex(word => word !== 0)
      const word = block.bits[index] as number
      return number * blockSize + index * 32 + (31 - Math.clz32(word & -word)) - 1
    }
    return this.#last
  }
}
