import type { Chunker } from './chunker.ts'
import { ByteQueue } from './byte-queue.ts'

/**
 * Rabin fingerprints over a sliding window (M. O. Rabin, Fingerprinting by random polynomials,
 * 1981), with the polynomial and window that IPFS nodes use. The polynomial has degree 53, so
 * the arithmetic is done on two halves of 32 bits.
 */
const polynomial = 17437180132763653n
const degree = 53n
const windowBytes = 16
/** The top eight bits of a fingerprint in its upper half: degree - 8 - 32. */
const topShift = 13

/** Per byte: what it adds to the fingerprint when it leaves the window, and what brings an overflow back below the degree. */
interface Tables {
  readonly outHigh: Int32Array
  readonly outLow: Int32Array
  readonly reduceHigh: Int32Array
  readonly reduceLow: Int32Array
}

let sharedTables: Tables | undefined

/** Cuts where the fingerprint's low bits are zero, about every `average` bytes, never below `min` nor above `max`; `min` is at least the window. */
export function rabinChunker (min: number, average: number, max: number): Chunker {
  const { outHigh, outLow, reduceHigh, reduceLow } = sharedTables ??= makeTables()
  const mask = 2 ** Math.floor(Math.log2(average)) - 1
  const queue = new ByteQueue()
  const window = new Uint8Array(windowBytes)
  let at = 0
  let high = 0
  let low = 0
  let count = 0

  function restart (): void {
    window.fill(0)
    // A leading one, as the reference has it: otherwise a run of zero bytes would have no length.
    window[0] = 1
    at = 1
    high = 0
    low = 1
    count = 0
  }

  /** Looks at a piece from `from` on; answers the position after the cut, or -1. */
  function scan (piece: Uint8Array, from: number): number {
    let i = from
    const skip = min - windowBytes - count
    if (skip > 0) {
      // Nothing can be cut here, and what comes before the window leaves no trace in it.
      i = Math.min(piece.length, from + skip)
      count += i - from
    }
    const start = i
    // Locals: the loop runs for each byte of the upload, and variables of the closure cost a load each.
    let [index, upper, lower] = [at, high, low]
    let cut = -1
    const firstCut = i + min - count - 1
    const lastCut = i + max - count - 1
    for (; i < piece.length; i++) {
      const byte = piece[i] as number
      const leaving = window[index] as number
      window[index] = byte
      index = (index + 1) & (windowBytes - 1)
      upper ^= outHigh[leaving] as number
      lower ^= outLow[leaving] as number
      const top = upper >>> topShift
      upper = ((upper << 8) | (lower >>> 24)) ^ (reduceHigh[top] as number)
      lower = ((lower << 8) | byte) ^ (reduceLow[top] as number)
      if ((lower & mask) === 0 ? i >= firstCut : i === lastCut) {
        cut = i + 1
        break
      }
    }
    count += (cut === -1 ? i : cut) - start
    at = index
    high = upper
    low = lower
    return cut
  }

  restart()
  return {
    keepsPieces: true,
    * push (piece) {
      queue.push(piece)
      let from = 0
      while (from < piece.length) {
        const cut = scan(piece, from)
        if (cut === -1) return
        from = cut
        yield queue.take(count)
        restart()
      }
    },
    * finish () {
      if (queue.length > 0) yield queue.take(queue.length)
    },
  }
}

function makeTables (): Tables {
  const tables: Tables = { outHigh: new Int32Array(256), outLow: new Int32Array(256), reduceHigh: new Int32Array(256), reduceLow: new Int32Array(256) }
  for (let byte = 0; byte < 256; byte++) {
    const out = remainder(BigInt(byte) << BigInt(8 * (windowBytes - 1)))
    const overflow = BigInt(byte) << degree
    const reduce = remainder(overflow) | overflow
    tables.outHigh[byte] = Number(BigInt.asIntN(32, out >> 32n))
    tables.outLow[byte] = Number(BigInt.asIntN(32, out))
    tables.reduceHigh[byte] = Number(BigInt.asIntN(32, reduce >> 32n))
    tables.reduceLow[byte] = Number(BigInt.asIntN(32, reduce))
  }
  return tables
}

/** The remainder of polynomial division over GF(2). */
function remainder (value: bigint): bigint {
  let rest = value
  while (rest >> degree > 0n) rest ^= polynomial << BigInt(rest.toString(2).length - 1 - Number(degree))
  return rest
}
