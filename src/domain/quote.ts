/**
 * Text in double quotes as the reference prints it inside its messages: what can be printed stays,
 * the rest is escaped. Needed wherever the contract fixes an error text with quoted input.
 */
export function quote (text: string): string {
  if (/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(text)) return `"${text}"`
  let out = '"'
  for (const character of text) out += escapeCharacter(character)
  return `${out}"`
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"', '\\': '\\\\', '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v',
}
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

function escapeCharacter (character: string): string {
  const short = shortEscapes[character]
  if (short !== undefined) return short
  if (printable.test(character)) return character
  const code = character.codePointAt(0) as number
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

/** Like {@link quote}, but every byte outside of printable ASCII as `\xNN`: the form of time and duration errors. */
export function quoteBytes (text: string): string {
  let out = '"'
  for (const character of text) {
    if (character === '"' || character === '\\') out += `\\${character}`
    else if (character >= ' ' && character < '\x80') out += character
    else for (const byte of new TextEncoder().encode(character)) out += `\\x${hex(byte, 2)}`
  }
  return `${out}"`
}

function hex (value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
