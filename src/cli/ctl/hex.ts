/**
 * Checks that the text is bytes in hexadecimal.
 * @throws Error with the reference's text
 */
export function checkHex (text: string): void {
  const bad = [...text].find(character => !/[0-9a-fA-F]/.test(character))
  if (bad !== undefined) {
    const code = (bad.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
    throw new Error(`encoding/hex: invalid byte: U+${code} '${bad}'`)
  }
  if (text.length % 2 !== 0) throw new Error('encoding/hex: odd length hex string')
}
