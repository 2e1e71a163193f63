/** So many pieces are kept as they came: a reader that follows what comes has no more before it. */
const maxLoosePieces = 32
/** Those behind them that are no more than a part of some larger memory are put together in memory of this size. */
const jointBytes = 16 * 1024

/**
 * What has come and was not read yet. A piece costs some hundred bytes whatever is in it, and keeps
 * all the memory that it is a part of: the other side, which chooses the pieces, could else make
 * a few bytes cost as many MiB.
 */
export class UnreadPieces {
  #pieces: Uint8Array[] = []
  #next = 0
  #bytes = 0
  /** The memory of the last piece, as far as it was put together here. */
  #joint: Uint8Array | undefined

  get bytes (): number { return this.#bytes }

  add (piece: Uint8Array): void {
    this.#bytes += piece.length
    const isLarge = piece.length * 2 > piece.buffer.byteLength && piece.length > jointBytes / maxLoosePieces
    if (this.#pieces.length - this.#next >= maxLoosePieces && !isLarge) this.#join(piece)
    else {
      this.#pieces.push(piece)
      this.#joint = undefined
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
    const last = this.#joint === undefined ? undefined : this.#pieces.pop()
    const filled = last?.length ?? 0
    let joint = this.#joint
    if (joint === undefined || joint.length - filled < piece.length) {
      if (last !== undefined) this.#pieces.push(last)
      joint = this.#joint = new Uint8Array(Math.max(jointBytes, piece.length))
      joint.set(piece)
      this.#pieces.push(joint.subarray(0, piece.length))
      return
    }
    joint.set(piece, filled)
    this.#pieces.push(joint.subarray(0, filled + piece.length))
  }

  #forget (): void {
    this.#pieces = []
    this.#next = 0
    this.#joint = undefined
  }
}
