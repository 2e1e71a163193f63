import { ClusterError, errorText } from '../domain/errors.ts'

/**
 * Reads the JSON of a configuration file.
 * @param name what messages call it: `service.json`
 * @throws ClusterError `INVALID_CONFIGURATION` with the place of what is wrong
 */
export function parseJsonText (text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = errorText(error)
    const length = validLength(text)
    if (length === text.length) throw wrong('unexpected end of JSON input', name, `cut off: ${name} is empty, or only a part of it was written`)
    const character = String.fromCodePoint(text.codePointAt(length) as number)
    throw wrong(`${name} is not JSON: invalid character ${JSON.stringify(character)}${placeOf(text, length)}`, name, `not JSON: ${reason}`)
  }
}

/** The length of the longest beginning of `text` that could go on to be JSON. Only some of the runtime's errors tell. */
function validLength (text: string): number {
  let valid = 0
  let invalid = text.length + 1
  while (invalid - valid > 1) {
    const middle = Math.floor((valid + invalid) / 2)
    if (couldGoOn(text.slice(0, middle))) valid = middle
    else invalid = middle
  }
  return valid
}

function couldGoOn (beginning: string): boolean {
  try {
    JSON.parse(beginning)
    return true
  } catch (error) {
    const reason = errorText(error)
    const position = /at position (\d+)/.exec(reason)?.[1]
    return /end of JSON input|Unterminated string/.test(reason) || (position !== undefined && Number(position) >= beginning.length)
  }
}

function placeOf (text: string, position: number): string {
  const before = text.slice(0, position).split('\n')
  return ` in line ${before.length}, column ${(before.at(-1) as string).length + 1}`
}

function wrong (message: string, name: string, value: string): ClusterError {
  return new ClusterError('INVALID_CONFIGURATION', message, { details: { section: name, key: '', value, allowed: 'a JSON object' } })
}

/** Two or four blanks, no final newline, and the characters escaped that the reference escapes. */
export function formatJsonText (json: unknown, indent: number): string {
  return JSON.stringify(json, null, indent).replace(/[<>&\u2028\u2029]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
