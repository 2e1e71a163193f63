import { errorText } from '../domain/errors.ts'
import { formatDuration, parseDuration } from '../codec/duration.ts'
import { fieldsJsonSchema, fieldsToJson, initialValues, isJsonObject, parseFields, type Field, type Fields, type Values } from './field.ts'
import type { Place, ReadingContext } from './place.ts'

/*
 * The kinds of field. An absent key is read as the empty value of its kind (empty text, 0, false,
 * empty list), as the reference does; what an empty value means is each field's own rule.
 */

/** What every field says of itself. */
export interface FieldOptions {
  readonly describe: string
  /** The JSON key where it does not follow from the property's name. */
  readonly key?: string
  readonly hidden?: boolean
  /** When the key is left out of a written file. */
  readonly omit?: 'when empty' | 'when initial'
}

export interface TextOptions extends FieldOptions {
  readonly initial: string | ((context: ReadingContext) => string)
  /** `keeps`: empty or absent changes nothing. Default `counts`: it is an empty text. */
  readonly empty?: 'keeps' | 'counts'
}

export function text (options: TextOptions): Field<string> {
  const { initial } = options
  return makeField<string>(options, {
    form: 'text',
    jsonSchema: { type: 'string' },
    variable: 'string',
    initial: context => typeof initial === 'string' ? initial : initial(context),
    parse (json, fallback, place) {
      const given = readText(json, place)
      return given === '' && options.empty === 'keeps' ? fallback : given
    },
    toJson: value => value,
  })
}

/** A key of older files that has its place elsewhere now: accepted, not kept on a save. */
export function movedText (options: FieldOptions): Field<undefined> {
  return makeField<undefined>(options, {
    form: 'text',
    jsonSchema: { type: 'string' },
    variable: undefined,
    initial: () => undefined,
    parse (json, _fallback, place) { readText(json, place) },
    toJson: () => undefined,
  })
}

export interface NumberOptions extends FieldOptions {
  readonly initial: number
  /** `keeps`: 0 or absent changes nothing. Default `counts`. */
  readonly zero?: 'keeps' | 'counts'
}

/** A whole number of 64 bits with sign in the reference; here one that a double holds exactly. */
export function integer (options: NumberOptions): Field<number> {
  return number(options, 'whole number', { type: 'integer' }, 'int', value => Number.isSafeInteger(value))
}

/** A whole number of 0 or more. */
export function count (options: NumberOptions): Field<number> {
  return number(options, 'whole number of 0 or more', { type: 'integer', minimum: 0 }, 'uint64', value => Number.isSafeInteger(value) && value >= 0)
}

export function decimal (options: NumberOptions): Field<number> {
  return number(options, 'number', { type: 'number' }, 'float64', value => Number.isFinite(value))
}

function number (options: NumberOptions, form: string, jsonSchema: object, variable: 'int' | 'uint64' | 'float64', accepts: (value: number) => boolean): Field<number> {
  return makeField<number>(options, {
    form,
    jsonSchema,
    variable,
    initial: () => options.initial,
    parse (json, fallback, place) {
      if (json === undefined) json = 0
      if (typeof json !== 'number' || !accepts(json)) throw place.wrongType(json, `a ${form}`)
      return json === 0 && options.zero === 'keeps' ? fallback : json
    },
    toJson: value => value,
  })
}

export function boolean (options: FieldOptions & { readonly initial: boolean }): Field<boolean> {
  return makeField<boolean>(options, {
    form: 'true or false',
    jsonSchema: { type: 'boolean' },
    variable: 'bool',
    initial: () => options.initial,
    parse (json, _fallback, place) {
      if (json === undefined) return false
      if (typeof json !== 'boolean') throw place.wrongType(json, 'true or false')
      return json
    },
    toJson: value => value,
  })
}

export interface DurationOptions extends FieldOptions {
  /** As text: `5m`. */
  readonly initial: string
  /** `zero`: empty or absent is 0. Default `keeps`: it changes nothing. */
  readonly empty?: 'zero' | 'keeps'
  /**
   * A text that is no duration: `zero` reads 0 (which the section then refuses), `warns` keeps the
   * value until now with a warning. Default `refused`.
   */
  readonly wrong?: 'refused' | 'zero' | 'warns'
  /** `warns`: 0 is treated like a text that is no duration. Default `counts`. */
  readonly zero?: 'warns' | 'counts'
  /** What the refusal calls the key, where the contract has its own name for it. */
  readonly refusedAs?: string
}

/** A span of time: text such as `2m30s` in the file, milliseconds in memory. */
export function duration (options: DurationOptions): Field<number> {
  const initial = parseDuration(options.initial)
  return makeField<number>(options, {
    form: 'duration',
    jsonSchema: { type: 'string' },
    variable: 'string',
    initial: () => initial,
    parse (json, fallback, place) {
      const given = readText(json, place, 'a duration such as "2m30s"')
      if (given === '') return options.empty === 'zero' ? 0 : fallback
      try {
        const ms = parseDuration(given)
        if (ms !== 0 || options.zero !== 'warns') return ms
      } catch (error) {
        if (options.wrong === 'zero') return 0
        if (options.wrong !== 'warns') throw place.refuse(json, 'a duration such as "2m30s"', `error parsing ${options.refusedAs ?? `${place.component}.${place.key}`}: ${errorText(error)}`)
      }
      place.warn(`${place.show(given)} is not a valid duration; ${formatDuration(fallback)} is used`)
      return fallback
    },
    toJson: value => formatDuration(value),
  })
}

/** One of a few words. */
export function oneOf<const W extends string> (options: FieldOptions & { readonly initial: W, readonly words: readonly W[], readonly refusal: string }): Field<W> {
  return makeField<W>(options, {
    form: options.words.map(word => `\`${word}\``).join(' or '),
    jsonSchema: { type: 'string', enum: options.words },
    variable: 'string',
    initial: () => options.initial,
    parse (json, _fallback, place) {
      const allowed = options.words.map(word => `"${word}"`).join(' or ')
      const word = options.words.find(word => word === readText(json, place, allowed))
      if (word === undefined) throw place.refuse(json, allowed, options.refusal)
      return word
    },
    toJson: value => value,
  })
}

export interface TextListOptions extends FieldOptions {
  readonly initial: readonly string[]
  /** `keeps`: empty or absent changes nothing. Default `counts`. */
  readonly empty?: 'keeps' | 'counts'
}

export function texts (options: TextListOptions): Field<readonly string[]> {
  return makeField<readonly string[]>(options, {
    form: 'list of texts',
    jsonSchema: { type: 'array', items: { type: 'string' } },
    variable: '[]string',
    initial: () => options.initial,
    parse (json, fallback, place) {
      const given = readTexts(json, place)
      return given.length === 0 && options.empty === 'keeps' ? fallback : given
    },
    toJson: value => value,
  })
}

/** Texts by name. */
export function textMap (options: FieldOptions & { readonly initial: Readonly<Record<string, string>> }): Field<Readonly<Record<string, string>>> {
  return makeField<Readonly<Record<string, string>>>(options, {
    form: 'texts by name',
    jsonSchema: { type: 'object', additionalProperties: { type: 'string' } },
    variable: 'map[string]string',
    initial: () => options.initial,
    parse: (json, _fallback, place) => json === undefined ? {} : readTextMap(json, place),
    toJson: value => value,
  })
}

/** Texts by name, where none at all (`null`) is not the same as an empty object. */
export function optionalTextMap (options: FieldOptions): Field<Readonly<Record<string, string>> | undefined> {
  return makeField<Readonly<Record<string, string>> | undefined>(options, {
    form: 'texts by name, or null',
    jsonSchema: { type: ['object', 'null'], additionalProperties: { type: 'string' } },
    variable: 'map[string]string',
    initial: () => undefined,
    parse: (json, _fallback, place) => json === undefined ? undefined : readTextMap(json, place),
    toJson: value => value ?? null,
  })
}

/** Lists of texts by name. */
export function textListMap (options: FieldOptions): Field<Readonly<Record<string, readonly string[]>>> {
  return makeField<Readonly<Record<string, readonly string[]>>>(options, {
    form: 'lists of texts by name',
    jsonSchema: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
    variable: 'map[string][]string',
    initial: () => ({}),
    parse (json, _fallback, place) {
      if (json === undefined) return {}
      if (!isJsonObject(json)) throw place.wrongType(json, 'an object of lists')
      return Object.fromEntries(Object.entries(json).map(([name, list]) => [name, readTexts(list, place.inside(name))]))
    },
    toJson: value => value,
  })
}

export interface GroupOptions<F extends Fields> extends FieldOptions {
  readonly fields: F
  /** `keeps`: an absent object changes nothing. Default `empty`: it is read as an empty object. */
  readonly absent?: 'keeps' | 'empty'
  readonly isOneInDocument?: boolean
}

/** Keys inside an object of their own. */
export function group<F extends Fields> (options: GroupOptions<F>): Field<Values<F>> {
  const { fields } = options
  return {
    ...makeField<Values<F>>(options, {
      form: 'object',
      jsonSchema: fieldsJsonSchema(fields),
      variable: undefined,
      initial: context => initialValues(fields, context),
      parse: (json, fallback, place) => json === undefined && options.absent === 'keeps' ? fallback : parseFields(fields, json ?? {}, fallback, place),
      toJson: value => fieldsToJson(fields, value),
    }),
    fields,
    isOneInDocument: options.isOneInDocument ?? false,
  }
}

type Kind<T> = Pick<Field<T>, 'form' | 'jsonSchema' | 'variable' | 'initial' | 'parse' | 'toJson'>

/** The field of one kind with `options`. */
export function makeField<T> (options: FieldOptions, kind: Kind<T>): Field<T> {
  return { ...kind, '~unsafe': undefined as T, describe: options.describe, key: options.key, hidden: options.hidden ?? false, omit: options.omit ?? 'never' }
}

export function readText (json: unknown, place: Place, allowed = 'a text'): string {
  if (json === undefined) return ''
  if (typeof json !== 'string') throw place.wrongType(json, allowed)
  return json
}

export function readTexts (json: unknown, place: Place): readonly string[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json) || json.some(item => typeof item !== 'string')) throw place.wrongType(json, 'a list of texts')
  return json as string[]
}

function readTextMap (json: unknown, place: Place): Readonly<Record<string, string>> {
  if (!isJsonObject(json) || Object.values(json).some(item => typeof item !== 'string')) throw place.wrongType(json, 'an object of texts')
  return json as Readonly<Record<string, string>>
}
