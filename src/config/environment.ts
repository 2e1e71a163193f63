import { quote } from '../domain/quote.ts'

/** Environment variables, as `process.env` holds them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The JSON types that a variable's text can be turned into, by the names that the reference's messages use. */
export type VariableType = 'string' | 'int' | 'uint64' | 'float64' | 'bool' | '[]string' | 'map[string]string' | 'map[string][]string'

/**
 * Turns the text of an environment variable into what the JSON file would hold (spec/config.md 4).
 * Lists are separated by commas, maps are `key:value,key:value`, nothing is trimmed.
 * @throws Error with the reference's words for what is wrong
 */
export function variableToJson (type: VariableType, text: string): unknown {
  switch (type) {
    case 'string': return text
    case 'int': return parseInteger('ParseInt', text, -(2n ** 63n), 2n ** 63n - 1n)
    case 'uint64': return parseInteger('ParseUint', text, 0n, 2n ** 64n - 1n)
    case 'float64': return parseDecimal(text)
    case 'bool': return parseBoolean(text)
    case '[]string': return text.trim() === '' ? [] : text.split(',')
    case 'map[string]string': return parseMap(text, value => value)
    case 'map[string][]string': return parseMap(text, value => [value])
  }
}

const booleans: Readonly<Record<string, boolean>> = {
  1: true, t: true, T: true, TRUE: true, true: true, True: true, 0: false, f: false, F: false, FALSE: false, false: false, False: false,
}

function parseBoolean (text: string): boolean {
  const value = Object.hasOwn(booleans, text) ? booleans[text] : undefined
  if (value === undefined) throw syntaxError('ParseBool', text)
  return value
}

/** Digits behind the prefix of their base, with single underscores between digits. */
const integerForms: ReadonlyArray<readonly [RegExp, string]> = [
  [/^0[xX](?:_?[0-9a-fA-F])+$/, '0x'], [/^0[bB](?:_?[01])+$/, '0b'], [/^0[oO](?:_?[0-7])+$/, '0o'], [/^0(?:_?[0-7])+$/, '0o'], [/^(?:0|[1-9](?:_?[0-9])*)$/, ''],
]

function parseInteger (parser: string, text: string, min: bigint, max: bigint): number {
  const signed = parser === 'ParseInt' && /^[+-]/.test(text)
  const digits = signed ? text.slice(1) : text
  const form = integerForms.find(([pattern]) => pattern.test(digits))
  if (form === undefined) throw syntaxError(parser, text)
  const magnitude = BigInt(form[1] + digits.replace(/^0[xXbBoO]/, '').replaceAll('_', ''))
  const value = signed && text.startsWith('-') ? -magnitude : magnitude
  if (value < min || value > max) throw new Error(`strconv.${parser}: parsing ${quote(text)}: value out of range`)
  return Number(value)
}

function parseDecimal (text: string): number {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) throw syntaxError('ParseFloat', text)
  return Number(text)
}

function parseMap<T> (text: string, toValue: (text: string) => T): Record<string, T> {
  if (text.trim() === '') return {}
  return Object.fromEntries(text.split(',').map(pair => {
    const [key, value, more] = pair.split(':')
    if (value === undefined || more !== undefined) throw new Error(`invalid map item: ${quote(pair)}`)
    return [key as string, toValue(value)]
  }))
}

function syntaxError (parser: string, text: string): Error {
  return new Error(`strconv.${parser}: parsing ${quote(text)}: invalid syntax`)
}
