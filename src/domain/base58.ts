import { base58btc } from 'multiformats/bases/base58'
import { asciiText } from './ascii.ts'

/**
 * Base58 (the Bitcoin alphabet) for short keys: CIDv0 and peer IDs. The usual algorithm divides the
 * whole number once per digit; here every 16 bits are multiplied with their precomputed weight in
 * base 58^5, which needs one division per five digits.
 */
const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const limbBase = 58 ** 5
/** Multiplying is several times faster than dividing; the quotient may be off by one. */
const limbInverse = 1 / limbBase
/** Longer input is left to the general algorithm: it is not on any hot path. */
const maxBytes = 64
const maxChunks = maxBytes / 2
/** Limbs of 512 bits. */
const maxLimbs = 18
const digitCodes = Uint8Array.from(alphabet, (digit) => digit.charCodeAt(0))
const one = digitCodes[0] as number

/** `weights[chunk * maxLimbs + limb]`: the limbs, least first, of 2^(16 chunk); `limbCounts[chunk]` of them. */
const weights = new Float64Array(maxChunks * maxLimbs)
const limbCounts = new Uint8Array(maxChunks)
for (let chunk = 0; chunk < maxChunks; chunk++) {
  let limb = 0
  for (let rest = 1n << BigInt(16 * chunk); rest > 0n; rest /= BigInt(limbBase)) weights[chunk * maxLimbs + limb++] = Number(rest % BigInt(limbBase))
  limbCounts[chunk] = limb
}

const limbs = new Float64Array(maxLimbs + 1)
const scratch = new Uint8Array(maxBytes + 5 * (maxLimbs + 1))

export function encodeBase58 (bytes: Uint8Array): string {
  if (bytes.length > maxBytes) return base58btc.baseEncode(bytes)
  return asciiText(scratch, 0, writeBase58(bytes, 0, bytes.length, scratch, 0))
}

/**
 * Writes the digits of `bytes[start..end)`, at most 64 bytes, into `target` from `at` on; there must
 * be room for 1.5 times the bytes and five more. Returns the end of the digits.
 */
export function writeBase58 (bytes: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  let zeros = start
  while (zeros < end && bytes[zeros] === 0) target[at++] = (zeros++, one)
  const count = fillLimbs(bytes, zeros, end)
  at = writeFirstLimb(limbs[count - 1] as number, target, at)
  for (let i = count - 2; i >= 0; i--) {
    const limb = limbs[i] as number
    const high = (limb / 195_112) | 0
    const low = limb - high * 195_112
    const middle = (low / 58) | 0
    const first = (high / 58) | 0
    const third = (middle / 58) | 0
    target[at] = digitCodes[first] as number
    target[at + 1] = digitCodes[high - first * 58] as number
    target[at + 2] = digitCodes[third] as number
    target[at + 3] = digitCodes[middle - third * 58] as number
    target[at + 4] = digitCodes[low - middle * 58] as number
    at += 5
  }
  return at
}

/** The digits of the most significant limb, without leading zeros. */
function writeFirstLimb (limb: number, target: Uint8Array, at: number): number {
  let length = 0
  for (let rest = limb; rest > 0; rest = (rest / 58) | 0) length++
  for (let i = length - 1, rest = limb; i >= 0; i--) {
    const next = (rest / 58) | 0
    target[at + i] = digitCodes[rest - next * 58] as number
    rest = next
  }
  return at + length
}

/** The number in `limbs`, least first; returns how many there are. */
function fillLimbs (bytes: Uint8Array, start: number, end: number): number {
  let count = 1
  limbs.fill(0)
  for (let at = end - 2, chunk = 0; at >= start - 1; at -= 2, chunk++) {
    const value = at < start ? bytes[start] as number : ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    count = limbCounts[chunk] as number
    const weight = chunk * maxLimbs
    for (let i = 0; i < count; i++) limbs[i] = (limbs[i] as number) + value * (weights[weight + i] as number)
  }
  let carry = 0
  for (let i = 0; i < count; i++) {
    const sum = (limbs[i] as number) + carry
    carry = Math.floor(sum * limbInverse)
    let rest = sum - carry * limbBase
    if (rest < 0) {
      rest += limbBase
      carry--
    } else if (rest >= limbBase) {
      rest -= limbBase
      carry++
    }
    limbs[i] = rest
  }
  for (; carry > 0; carry = Math.floor(carry / limbBase)) limbs[count++] = carry % limbBase
  return count
}

const digitValues = new Uint8Array(128).fill(255)
for (let digit = 0; digit < 58; digit++) digitValues[digitCodes[digit] as number] = digit

/** Longest text that is decoded here: the digits of {@link maxBytes} bytes. */
const maxDigits = 88
const maxGroups = Math.ceil(maxDigits / 5)
/** 16 bit words of 5 * maxGroups digits. */
const maxWords = 34

/** `wordWeights[group * maxWords + word]`: the words, least first, of 58^(5 group). */
const wordWeights = new Float64Array(maxGroups * maxWords)
for (let group = 0; group < maxGroups; group++) {
  let word = 0
  for (let rest = 58n ** BigInt(5 * group); rest > 0n; rest >>= 16n) wordWeights[group * maxWords + word++] = Number(rest & 0xffffn)
}

const words = new Float64Array(maxWords)

/** The bytes of base58 text, or undefined when a character is no digit. */
export function decodeBase58 (text: string): Uint8Array | undefined {
  if (text.length > maxDigits) return decodeLong(text)
  let zeros = 0
  while (zeros < text.length && text.charCodeAt(zeros) === one) zeros++
  words.fill(0)
  for (let end = text.length, group = 0; end > zeros; end -= 5, group++) {
    let value = 0
    for (let i = Math.max(zeros, end - 5); i < end; i++) {
      const code = text.charCodeAt(i)
      const digit = code < 128 ? digitValues[code] as number : 255
      if (digit === 255) return undefined
      value = value * 58 + digit
    }
    const weight = group * maxWords
    for (let i = 0; i < maxWords; i++) words[i] = (words[i] as number) + value * (wordWeights[weight + i] as number)
  }
  return wordsToBytes(zeros)
}

/** The number in `words` as big-endian bytes behind `zeros` zero bytes. */
function wordsToBytes (zeros: number): Uint8Array {
  let carry = 0
  for (let i = 0; i < maxWords; i++) {
    const sum = (words[i] as number) + carry
    carry = Math.floor(sum / 65_536)
    words[i] = sum - carry * 65_536
  }
  let top = maxWords - 1
  while (top >= 0 && words[top] === 0) top--
  const odd = top >= 0 && (words[top] as number) < 256
  const bytes = new Uint8Array(zeros + (top + 1) * 2 - (odd ? 1 : 0))
  for (let i = 0, at = bytes.length - 1; i <= top; i++, at -= 2) {
    const word = words[i] as number
    bytes[at] = word & 0xff
    if (at > zeros) bytes[at - 1] = word >>> 8
  }
  return bytes
}

function decodeLong (text: string): Uint8Array | undefined {
  try {
    return base58btc.baseDecode(text)
  } catch {
    return undefined
  }
}
