import type { PinOptions } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import { pinOptionFields } from './pin-schema.ts'
import type { Query, QueryForm } from './query-forms.ts'
import { orderedFields, type Fields } from './schema.ts'

export type { Query } from './query-forms.ts'

/**
 * Pin options of a decoded query (spec/rest-api.md 3). Keys that are not read are ignored.
 * @param now what `expire-in` counts from
 * @throws ClusterError `INVALID_INPUT` with the contract's text for the first bad option
 */
export function pinOptionsFromQuery (query: Query, now: Time): PinOptions {
  return readPinOptions(query, now)
}

/** The query that asks for these options, as the reference's client sends it (spec/cli.md 2.5). */
export function pinOptionsToQuery (options: PinOptions): string {
  return encodeQuery(writePinOptions(options))
}

const { read: readPinOptions, write: writePinOptions } = compileQuery(pinOptionFields)

/** Reader and writer for the fields of a schema that have a query form, in their order. */
function compileQuery<T> (fields: Fields<T>): { read: (query: Query, now: Time) => T, write: (value: T) => Array<readonly [string, string]> } {
  const steps = orderedFields(fields).filter(({ query }) => query !== undefined).map(({ property, query }) => ({ property, form: query as QueryForm<unknown> }))
  // Most requests give one option or none, so the others are not read each time.
  const absent: Record<string, unknown> = Object.fromEntries(steps.map(({ property, form }) => [property, form.read(new Map(), 0)]))
  return {
    read (query, now) {
      const value = { ...absent }
      for (const { property, form } of steps) if (form.keys.some(key => isGiven(key, query))) value[property] = form.read(query, now)
      return value as T
    },
    write: (value) => steps.flatMap(({ property, form }) => form.write((value as Record<string, unknown>)[property])),
  }
}

/** `meta-*` stands for all keys that begin so. */
function isGiven (key: string, query: Query): boolean {
  if (!key.endsWith('*')) return query.has(key)
  for (const given of query.keys()) if (given.startsWith(key.slice(0, -1))) return true
  return false
}

/** `key=value&…` in the order of the keys, escaped as the reference's client does: blanks become `+`. */
export function encodeQuery (pairs: ReadonlyArray<readonly [key: string, value: string]>): string {
  return pairs.toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([key, value]) => `${escape(key)}=${escape(value)}`).join('&')
}

function escape (text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

/**
 * Decodes the part of a URL behind `?` as the contract wants it (spec/rest-api.md 1.1): `+` is a
 * blank, a pair with a bad escape or a `;` is dropped, of a repeated key the first counts. Bytes
 * that are not UTF-8 make a text that is not well-formed.
 */
export function decodeQuery (text: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const pair of text.split('&')) {
    if (pair === '' || pair.includes(';')) continue
    const split = pair.indexOf('=')
    const key = unescape(split < 0 ? pair : pair.slice(0, split))
    const value = unescape(split < 0 ? '' : pair.slice(split + 1))
    if (key !== undefined && value !== undefined && !query.has(key)) query.set(key, value)
  }
  return query
}

/** Stands for bytes that are not UTF-8: no text has it, so that what must be one can be told from what is none. */
const noText = '\udfff'

/** Undefined when an escape is broken; bytes that are not UTF-8 become {@link noText}. */
function unescape (text: string): string | undefined {
  const plain = text.replaceAll('+', ' ')
  if (!plain.includes('%')) return plain
  if (/%(?![0-9a-fA-F]{2})/.test(plain)) return undefined
  return plain.replace(/(?:%[0-9a-fA-F]{2})+/g, (escapes) => decodeUtf8(hexBytes(escapes)))
}

function decodeUtf8 (bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\ufffd', noText)
  }
}

function hexBytes (escapes: string): Uint8Array {
  return Uint8Array.from(escapes.slice(1).split('%'), (digits) => Number.parseInt(digits, 16))
}
