/** Base32 of RFC 4648 without padding, quick because every pin passes through it several times. */
export type Base32Alphabet = 'lower' | 'upper'

const alphabets = { lower: 'abcdefghijklmnopqrstuvwxyz234567', upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567' } as const
const values = { lower: valueTable(alphabets.lower), upper: valueTable(alphabets.upper) }

function valueTable (alphabet: string): Uint8Array {
  const table = new Uint8Array(128).fill(255)
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i
  return table
}

export function encodeBase32 (bytes: Uint8Array, alphabet: Base32Alphabet): string {
  const letters = alphabets[alphabet]
  let out = ''
  let bits = 0
  let value = 0
  for (let i = 0; i < bytes.length; i++) {
    value = (value << 8) | (bytes[i] as number)
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out += letters[(value >>> bits) & 31]
    }
    value &= (1 << bits) - 1
  }
  return bits > 0 ? out + letters[(value << (5 - bits)) & 31] : out
}

/** The bytes of `text` from `start` on, or undefined when it is not canonical base32. */
export function decodeBase32 (text: string, start: number, alphabet: Base32Alphabet): Uint8Array | undefined {
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
  return bits >= 5 || value !== 0 ? undefined : out
}
