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
    if (/end of JSON input|Unterminated string/.test(reason)) throw wrong('unexpected end of JSON input', name, `${name} ends too early: it is empty, or only a part of it was written`)
    const position = /at position (\d+)/.exec(reason)?.[1]
    const place = position === undefined ? '' : placeOf(text, Number(position))
    const found = position === undefined ? reason : `invalid character ${JSON.stringify(String.fromCodePoint(text.codePointAt(Number(position)) ?? 0))}`
    throw wrong(`${name} is not JSON: ${found}${place}`, name, reason)
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
