import { asciiText } from './ascii.ts'

/** Base32 of RFC 4648 without padding, quick because every pin passes through it several times. */
export type Base32Alphabet = 'lower' | 'upper'

const alphabets = { lower: 'abcdefghijklmnopqrstuvwxyz234567', upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567' } as const
const alphabetCodes = { lower: codeTable(alphabets.lower), upper: codeTable(alphabets.upper) }
const values = { lower: valueTable(alphabets.lower), upper: valueTable(alphabets.upper) }

function codeTable (alphabet: string): Uint8Array {
  return Uint8Array.from(alphabet, (digit) => digit.charCodeAt(0))
}

function valueTable (alphabet: string): Uint8Array {
  const table = new Uint8Array(128).fill(255)
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i
  return table
}

export function encodeBase32 (bytes: Uint8Array, alphabet: Base32Alphabet): string {
  const target = bytes.length <= maxScratchBytes ? scratch : new Uint8Array(bytes.length * 2)
  return asciiText(target, 0, writeBase32(bytes, 0, bytes.length, alphabet, target, 0))
}

/** CIDs and keys are far shorter. */
const maxScratchBytes = 256
const scratch = new Uint8Array(maxScratchBytes * 2)

/** Writes the digits of `bytes[start..end)` into `target` from `at` on; returns the end of the digits. */
export function writeBase32 (bytes: Uint8Array, start: number, end: number, alphabet: Base32Alphabet, target: Uint8Array, at: number): number {
  const codes = alphabetCodes[alphabet]
  let from = start
  for (; from + 5 <= end; from += 5, at += 8) {
    const high = ((bytes[from] as number) << 12) | ((bytes[from + 1] as number) << 4) | ((bytes[from + 2] as number) >> 4)
    const low = (((bytes[from + 2] as number) & 15) << 16) | ((bytes[from + 3] as number) << 8) | (bytes[from + 4] as number)
    target[at] = codes[high >> 15] as number
    target[at + 1] = codes[(high >> 10) & 31] as number
    target[at + 2] = codes[(high >> 5) & 31] as number
    target[at + 3] = codes[high & 31] as number
    target[at + 4] = codes[low >> 15] as number
    target[at + 5] = codes[(low >> 10) & 31] as number
    target[at + 6] = codes[(low >> 5) & 31] as number
    target[at + 7] = codes[low & 31] as number
  }
  let bits = 0
  let value = 0
  for (; from < end; from++) {
    value = (value << 8) | (bytes[from] as number)
    for (bits += 8; bits >= 5;) {
      bits -= 5
      target[at++] = codes[(value >>> bits) & 31] as number
    }
    value &= (1 << bits) - 1
  }
  if (bits > 0) target[at++] = codes[(value << (5 - bits)) & 31] as number
  return at
}

/**
 * The bytes of `text` from `start` on, or undefined when it is not base32.
 * @param leftover what to do with bits behind the last whole byte: canonical text has none but zeros
 */
export function decodeBase32 (text: string, start: number, alphabet: Base32Alphabet, leftover: 'refuse' | 'drop' = 'refuse'): Uint8Array | undefined {
  const table = values[alphabet]
  const out = new Uint8Array(((text.length - start) * 5) >>> 3)
  let bits = 0
  let value = 0
  let at = 0
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const digit = code < 128 ? table[code] as number : 255
    if (digit === 255) return undefined
    value = (value << 5) | digit
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out[at++] = value >>> bits
      value &= (1 << bits) - 1
    }
  }
  return leftover === 'refuse' && (bits >= 5 || value !== 0) ? undefined : out
}

/** True when the text from `start` on is what {@link encodeBase32} makes of some bytes, in lower case. */
export function isBase32 (text: string, start: number): boolean {
  const table = values.lower
  let all = 0
  let last = 0
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    last = code < 128 ? table[code] as number : 255
    all |= last
  }
  const bitsBehind = (text.length - start) * 5 % 8
  return all < 32 && bitsBehind < 5 && (last & ((1 << bitsBehind) - 1)) === 0
}
