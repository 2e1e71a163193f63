import { parseDuration } from '../../codec/duration.ts'
import { AssertionError, errorText } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'
import type { Flag } from './command.ts'

/** The values of one level's flags, by the first name of each. Asking for a flag that the table lacks is a defect. */
export interface FlagValues {
  boolean (name: string): boolean
  text (name: string): string
  integer (name: string): number
  /** Milliseconds. */
  duration (name: string): number
  texts (name: string): readonly string[]
  /** True when the flag was given, by any of its names or its environment variable. */
  isSet (name: string): boolean
}

export interface ParsedFlags {
  readonly values: FlagValues
  readonly rest: readonly string[]
  /** The flag that cannot be read. `values` holds what was read up to there. */
  readonly problem: string | undefined
  /** Two names of one flag were given: the reference shows this in another way. */
  readonly twoForms: string | undefined
}

type Value = boolean | string | number | readonly string[]

/**
 * Reads flags by the rules of Go's flag package: `-name` and `--name` are the same, `--name=value` or
 * `--name value`, boolean flags only take `=value`, `--` or the first argument ends the flags.
 */
export function parseFlags (flags: readonly Flag[], args: readonly string[], environment: Readonly<Record<string, string | undefined>>): ParsedFlags {
  const reading = new Reading(flags, environment)
  let rest = args
  let problem: string | undefined
  try {
    rest = reading.read(args)
  } catch (error) {
    problem = errorText(error)
  }
  return { values: reading, rest, problem, twoForms: reading.twoForms() }
}

class Reading implements FlagValues {
  readonly #flags: readonly Flag[]
  readonly #byName = new Map<string, Flag>()
  readonly #values = new Map<Flag, Value>()
  readonly #givenNames = new Set<string>()
  readonly #fromEnvironment = new Set<Flag>()

  constructor (flags: readonly Flag[], environment: Readonly<Record<string, string | undefined>>) {
    this.#flags = flags
    for (const flag of flags) {
      for (const name of flag.names) this.#byName.set(name, flag)
      this.#values.set(flag, defaultValue(flag))
      const fromEnvironment = flag.kind === 'text' && flag.environment !== undefined ? environment[flag.environment] : undefined
      if (fromEnvironment === undefined) continue
      this.#values.set(flag, fromEnvironment)
      this.#fromEnvironment.add(flag)
    }
  }

  /** Takes flags from the front of `args` and returns what follows. Throws the message for the user. */
  read (args: readonly string[]): readonly string[] {
    let at = 0
    for (;;) {
      const arg = args[at]
      if (arg === undefined || arg.length < 2 || !arg.startsWith('-')) return args.slice(at)
      if (arg === '--') return args.slice(at + 1)
      const text = arg.slice(arg.startsWith('--') ? 2 : 1)
      if (text === '' || text.startsWith('-') || text.startsWith('=')) throw new Error(`bad flag syntax: ${arg}`)
      at++
      const equals = text.indexOf('=', 1)
      const name = equals < 0 ? text : text.slice(0, equals)
      const flag = this.#byName.get(name)
      if (flag === undefined) throw new Error(`flag provided but not defined: -${name}`)
      let value = equals < 0 ? undefined : text.slice(equals + 1)
      if (flag.kind === 'boolean') value ??= 'true'
      else if (value === undefined) value = args[at++]
      if (value === undefined) throw new Error(`flag needs an argument: -${name}`)
      this.#set(flag, name, value)
    }
  }

  #set (flag: Flag, name: string, text: string): void {
    let value: Value
    try {
      value = parseValue(flag, text, this.#values.get(flag))
    } catch (error) {
      const what = flag.kind === 'boolean' ? `boolean value ${quote(text)} for` : `value ${quote(text)} for flag`
      throw new Error(`invalid ${what} -${name}: ${errorText(error)}`, { cause: error })
    }
    this.#values.set(flag, value)
    this.#givenNames.add(name)
  }

  /** The message when a flag was given by two of its names, which the reference refuses. */
  twoForms (): string | undefined {
    for (const flag of this.#flags) {
      const [first, second] = flag.names.filter(name => this.#givenNames.has(name))
      if (second !== undefined) return `Cannot use two forms of the same flag: ${second} ${first}`
    }
    return undefined
  }

  boolean (name: string): boolean { return this.#value(name, 'boolean') as boolean }
  text (name: string): string { return this.#value(name, 'text') as string }
  integer (name: string): number { return this.#value(name, 'integer') as number }
  duration (name: string): number { return this.#value(name, 'duration') as number }
  texts (name: string): readonly string[] { return this.#value(name, 'texts') as readonly string[] }

  isSet (name: string): boolean {
    const flag = this.#flag(name)
    return this.#fromEnvironment.has(flag) || flag.names.some(name => this.#givenNames.has(name))
  }

  #value (name: string, kind: Flag['kind']): Value | undefined {
    const flag = this.#flag(name)
    if (flag.kind !== kind) throw new AssertionError(`flag ${name} is ${flag.kind}, not ${kind}`)
    return this.#values.get(flag)
  }

  #flag (name: string): Flag {
    const flag = this.#byName.get(name)
    if (flag === undefined) throw new AssertionError(`no flag ${name}`)
    return flag
  }
}

function defaultValue (flag: Flag): Value {
  switch (flag.kind) {
    case 'boolean': return false
    case 'text': return flag.default ?? ''
    case 'texts': return []
    case 'integer': case 'duration': return flag.default ?? 0
  }
}

function parseValue (flag: Flag, text: string, present: Value | undefined): Value {
  switch (flag.kind) {
    case 'boolean': return parseBoolean(text)
    case 'text': return text
    case 'texts': return [...present as readonly string[], text]
    case 'integer': return parseInteger(text)
    case 'duration':
      try {
        return parseDuration(text)
      } catch (error) {
        throw new Error('parse error', { cause: error })
      }
  }
}

const trueTexts = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const falseTexts = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

function parseBoolean (text: string): boolean {
  if (trueTexts.has(text)) return true
  if (falseTexts.has(text)) return false
  throw new Error('parse error')
}

/** Digits with an optional sign and a base prefix; single underscores between digits when there is a prefix. */
const integerForms: ReadonlyArray<readonly [RegExp, string]> = [
  [/^0[xX](?:_?[0-9a-fA-F])+$/, '0x'], [/^0[bB](?:_?[01])+$/, '0b'], [/^0[oO](?:_?[0-7])+$/, '0o'], [/^0(?:_?[0-7])+$/, '0o'], [/^(?:0|[1-9](?:_?[0-9])*)$/, ''],
]

function parseInteger (text: string): number {
  const negative = text.startsWith('-')
  const digits = negative || text.startsWith('+') ? text.slice(1) : text
  const form = integerForms.find(([pattern]) => pattern.test(digits))
  if (form === undefined) throw new Error('parse error')
  const magnitude = BigInt(form[1] + digits.replace(/^0[xXbBoO]/, '').replaceAll('_', ''))
  const value = negative ? -magnitude : magnitude
  if (BigInt.asIntN(64, value) !== value) throw new Error('value out of range')
  return Number(value)
}

/**
 * Moves the flags of a command in front of its arguments, each with the word behind it that may be
 * its value, up to a `--` (spec/cli.md 0). Words that look like flags but are none stay arguments.
 */
export function moveFlagsToFront (flags: readonly Flag[], args: readonly string[]): string[] {
  const names = new Set(flags.flatMap(flag => flag.names))
  const isFlag = (arg: string): boolean => /^-(?!-?$)/.test(arg) && names.has((arg.replace(/^-{1,3}/, '').split('=')[0]) as string)
  const front: string[] = []
  const back: string[] = []
  let valueMayFollow = false
  for (const [index, arg] of args.entries()) {
    if (valueMayFollow && !isFlag(arg)) {
      valueMayFollow = false
      front.push(arg)
    } else if (arg === '--') {
      return [...front, '--', ...back, ...args.slice(index + 1)]
    } else if (isFlag(arg)) {
      front.push(arg)
      valueMayFollow = !arg.includes('=')
    } else {
      back.push(arg)
    }
  }
  return [...front, ...back]
}
