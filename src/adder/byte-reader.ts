/** Reads a stream of pieces in amounts of the reader's choice. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #pieces: Uint8Array[] = []
  #available = 0

  constructor (source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next `count` bytes; fewer at the end of the stream. Memory grows with what really comes, not with `count`. */
  async read (count: number): Promise<Uint8Array> {
    while (this.#available < count && await this.#fill());
    const taken: Uint8Array[] = []
    let missing = Math.min(count, this.#available)
    this.#available -= missing
    let used = 0
    while (missing > 0) {
      const piece = this.#pieces[used] as Uint8Array
      if (piece.length > missing) {
        taken.push(piece.subarray(0, missing))
        this.#pieces[used] = piece.subarray(missing)
        break
      }
      taken.push(piece)
      missing -= piece.length
      used++
    }
    this.#pieces.splice(0, used)
    return taken.length === 1 ? taken[0] as Uint8Array : Buffer.concat(taken)
  }

  /** Passes `count` bytes; false when the stream ends before. */
  async skip (count: number): Promise<boolean> {
    let missing = count
    while (missing > 0) {
      if (this.#available === 0 && !await this.#fill()) return false
      const part = await this.read(Math.min(missing, this.#available))
      missing -= part.length
    }
    return true
  }

  async #fill (): Promise<boolean> {
    const { done, value } = await this.#source.next()
    if (done === true) return false
    if (value.length > 0) {
      this.#pieces.push(value)
      this.#available += value.length
    }
    return true
  }
}
