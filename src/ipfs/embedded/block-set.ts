/** Where a block lies. `segment` and `ordinal` together name one copy of one block for ever. */
export interface BlockLocation {
  /** Number of the segment file. */
  readonly segment: number
  /** The block is the n-th record of its segment. */
  readonly ordinal: number
  /** Where its record begins, in bytes from the start of the file. */
  readonly offset: number
  /** Length of the block alone, in bytes. */
  readonly sizeBytes: number
}

/** Ordinals that a bitmap has room for at first: grows by doubling. */
const firstBitmapBytes = 64

/**
 * A set of blocks at one bit each, so that exact marks for a billion blocks take 125 MB. Segment
 * numbers are never used twice: a mark cannot come to mean another block.
 */
export class BlockSet {
  readonly #bitmaps = new Map<number, Uint8Array>()

  /** Adds the block; true when it was not in the set. */
  add ({ segment, ordinal }: BlockLocation): boolean {
    const at = ordinal >>> 3
    const bit = 1 << (ordinal & 7)
    let bitmap = this.#bitmaps.get(segment)
    if (bitmap === undefined || at >= bitmap.length) {
      const grown = new Uint8Array(Math.max(firstBitmapBytes, 2 ** Math.ceil(Math.log2(at + 1))))
      if (bitmap !== undefined) grown.set(bitmap)
      this.#bitmaps.set(segment, bitmap = grown)
    }
    const byte = bitmap[at] as number
    if ((byte & bit) !== 0) return false
    bitmap[at] = byte | bit
    return true
  }

  has ({ segment, ordinal }: BlockLocation): boolean {
    const byte = this.#bitmaps.get(segment)?.[ordinal >>> 3]
    return byte !== undefined && (byte & (1 << (ordinal & 7))) !== 0
  }

  /** Adds all blocks of another set. */
  addAll (other: BlockSet): void {
    for (const [segment, from] of other.#bitmaps) {
      const into = this.#bitmaps.get(segment)
      if (into === undefined || into.length < from.length) {
        const grown = from.slice()
        if (into !== undefined) for (let at = 0; at < into.length; at++) grown[at] = (grown[at] as number) | (into[at] as number)
        this.#bitmaps.set(segment, grown)
      } else {
        for (let at = 0; at < from.length; at++) into[at] = (into[at] as number) | (from[at] as number)
      }
    }
  }

  /** Forgets all blocks of a segment that is gone. */
  forget (segment: number): void { this.#bitmaps.delete(segment) }
}
