/* Hexadecimal and base64 text, strict, with the words that the contract has for what is wrong. */

/** @throws Error `encoding/hex: …` */
export function decodeHex (text: string): Uint8Array {
  const wrong = Buffer.from(text).find(byte => !/[0-9a-fA-F]/.test(String.fromCharCode(byte)))
  if (wrong !== undefined) throw new Error(`encoding/hex: invalid byte: ${describeByte(wrong)}`)
  if (text.length % 2 === 1) throw new Error('encoding/hex: odd length hex string')
  return new Uint8Array(Buffer.from(text, 'hex'))
}

function describeByte (byte: number): string {
  const code = `U+${byte.toString(16).toUpperCase().padStart(4, '0')}`
  const isPrintable = (byte >= 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
  return isPrintable ? `${code} '${String.fromCharCode(byte)}'` : code
}

/**
 * Standard base64 with padding; line ends are skipped.
 * @throws Error `illegal base64 data at input byte N`
 */
export function decodeBase64 (text: string): Uint8Array {
  const wrong = firstWrongByte(Buffer.from(text))
  if (wrong !== undefined) throw new Error(`illegal base64 data at input byte ${wrong}`)
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function firstWrongByte (bytes: Uint8Array): number | undefined {
  const isLineEnd = (at: number): boolean => bytes[at] === 0x0a || bytes[at] === 0x0d
  const afterLineEnds = (at: number): number => {
    while (at < bytes.length && isLineEnd(at)) at++
    return at
  }
  // Characters are counted in groups of four; only the last group may end in padding.
  let inGroup = 0
  for (let at = afterLineEnds(0); at < bytes.length; at = afterLineEnds(at + 1)) {
    const character = String.fromCharCode(bytes[at] as number)
    if (character === '=') {
      if (inGroup < 2) return at
      if (inGroup === 2) {
        const second = afterLineEnds(at + 1)
        if (second === bytes.length) return bytes.length
        if (bytes[second] !== 0x3d) return second - 1
        at = second
      }
      const rest = afterLineEnds(at + 1)
      return rest < bytes.length ? rest : undefined
    }
    if (!/[A-Za-z0-9+/]/.test(character)) return at
    inGroup = (inGroup + 1) % 4
  }
  return inGroup === 0 ? undefined : bytes.length - inGroup
}
