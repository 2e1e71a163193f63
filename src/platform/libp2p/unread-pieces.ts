/** So many pieces are kept as they came: a reader that follows what comes has no more before it. */
const maxLoosePieces = 32
/** Those behind them that are no more than a part of some larger memory are put together in memory of this size. */
const jointBytes = 16 * 1024
const noMemory = new Uint8Array()

/**
 * What has come and was not read yet. A piece costs some hundred bytes whatever is in it, and keeps
 * all the memory that it is a part of: the other side, which chooses the pieces, could else make
 * a few bytes cost as many MiB.
 */
export class UnreadPieces {
  #pieces: Uint8Array[] = []
  #next = 0
  #bytes = 0
  /** Memory for pieces that are put together, and how much of it has been used. */
  #joint = noMemory
  #filled = 0
  /** Where the last piece begins in it; undefined when that one stays as it came. */
  #start: number | undefined

  get bytes (): number { return this.#bytes }

  add (piece: Uint8Array): void {
    this.#bytes += piece.length
    const isLarge = piece.length * 2 > piece.buffer.byteLength && piece.length > jointBytes / maxLoosePieces
    if (this.#pieces.length - this.#next >= maxLoosePieces && !isLarge) this.#join(piece)
    else {
      this.#pieces.push(piece)
      this.#start = undefined
    }
  }

  /** The oldest piece; undefined when there is none. */
  take (): Uint8Array | undefined {
    const piece = this.#pieces[this.#next]
    if (piece === undefined) return undefined
    this.#next++
    this.#bytes -= piece.length
    if (this.#next === this.#pieces.length) this.#forget()
    else if (this.#next >= maxLoosePieces && this.#next * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#next)
      this.#next = 0
    }
    return piece
  }

  clear (): void {
    this.#forget()
    this.#bytes = 0
  }

  #join (piece: Uint8Array): void {
    if (this.#joint.length - this.#filled < piece.length) {
      this.#joint = new Uint8Array(Math.max(jointBytes, piece.length))
      this.#filled = 0
      this.#start = undefined
    }
    this.#joint.set(piece, this.#filled)
    if (this.#start === undefined) this.#start = this.#filled
    else this.#pieces.pop()
    this.#filled += piece.length
    this.#pieces.push(this.#joint.subarray(this.#start, this.#filled))
  }

  #forget (): void {
    this.#pieces = []
    this.#next = 0
    this.#joint = noMemory
    this.#filled = 0
    this.#start = undefined
  }
}
