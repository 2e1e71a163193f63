import { ClusterError } from '../domain/errors.ts'

const needsEscape = /[^\x20-\x7e]|["\\<>&]/
const webEscapes = /[<>&\u2028\u2029]/g

/** A JSON string with the escapes of the contract: `<`, `>`, `&`, U+2028 and U+2029 too (spec/rest-api.md 1.4). */
export function quoteJson (text: string): string {
  if (!needsEscape.test(text)) return `"${text}"`
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return JSON.stringify(wellFormed).replace(webEscapes, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * A parsed JSON object.
 * @throws ClusterError `INVALID_WIRE_DATA` when it is another kind of value
 */
export function expectObject (json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unexpected('an object', json)
  return json as Readonly<Record<string, unknown>>
}

/** The error for a value of another kind than the schema wants. */
export function unexpected (wanted: string, got: unknown): ClusterError {
  const kind = got === null ? 'null' : Array.isArray(got) ? 'an array' : typeof got === 'object' ? 'an object' : `a ${typeof got}`
  return invalidData(`expected ${wanted}, got ${kind}`)
}

export function invalidData (message: string): ClusterError {
  return new ClusterError('INVALID_WIRE_DATA', message)
}

/** An error that happened inside of `name`, told with the path to it: `metadata.key: expected text`. */
export function within (name: string, error: unknown): unknown {
  if (!(error instanceof ClusterError)) return error
  const separator = error.details['path'] === true ? '.' : ': '
  return new ClusterError('INVALID_WIRE_DATA', `${name}${separator}${error.message}`, { cause: error.cause ?? error, details: { path: true } })
}

/** Sets a key that may come from outside: `__proto__` is a key like any other. */
export function setEntry<T> (record: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__') Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true })
  else record[key] = value
}
