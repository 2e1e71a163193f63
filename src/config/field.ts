import type { Static, TObject, TUnsafe } from 'typebox'
import { errorText } from '../domain/errors.ts'
import { fieldName, nearestName, snakeCase, variableWord } from './names.ts'
import { variableToJson, type Environment, type VariableType } from './environment.ts'
import type { Place, ReadingContext } from './place.ts'

/**
 * One key of the configuration, from which all else follows. `T` is the form in memory, carried as
 * a TypeBox type; the library itself is not loaded, which would cost every start over 100 ms.
 */
export interface Field<T = unknown> extends TUnsafe<T> {
  /** The form in the file for people: `duration`, `text or list`. */
  readonly form: string
  /** The form in the file as JSON Schema. */
  readonly jsonSchema: object
  readonly describe: string
  /** The JSON key where it does not follow from the property's name. */
  readonly key?: string | undefined
  /** Never shown in logs. */
  readonly hidden: boolean
  /** What an environment variable's text is turned into; undefined when the field has no variable of its own. */
  readonly variable: VariableType | undefined
  /** When the key is left out of a written file. */
  readonly omit: 'never' | 'when empty' | 'when initial'
  /** The fields inside, for a group. */
  readonly fields?: Fields
  /** A group that the documentation shows as one key. */
  readonly isOneInDocument?: boolean
  initial (context: ReadingContext): T
  /**
   * Reads the form in the file. `json` is undefined when the key is absent; `fallback` is the value
   * until now, kept where the contract says that an absent or empty key changes nothing.
   * @throws ClusterError `INVALID_CONFIGURATION`
   */
  parse (json: unknown, fallback: T, place: Place): T
  /** The form in the file; undefined when there is none. */
  toJson (value: T): unknown
}

export type Fields = Readonly<Record<string, Field>>
/** The static type of a table of fields. */
export type Values<F extends Fields> = Static<TObject<F>>
export type JsonObject = Readonly<Record<string, unknown>>

export function isJsonObject (json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

/** `stateSyncIntervalMs` is `state_sync_interval` in the file: units are part of the text there. */
export function jsonKey (property: string, field: Field): string {
  return field.key ?? snakeCase(field.form === 'duration' ? property.replace(/Ms$/, '') : property)
}

export function initialValues<F extends Fields> (fields: F, context: ReadingContext): Values<F> {
  return Object.fromEntries(Object.entries(fields).map(([property, field]) => [property, field.initial(context)])) as Values<F>
}

/**
 * Reads an object of the file by its table. Keys match without regard to case, as in the reference;
 * `null` counts as absent; a key that no field has is named in a warning.
 */
export function parseFields<F extends Fields> (fields: F, json: unknown, fallback: Values<F>, place: Place): Values<F> {
  if (!isJsonObject(json)) throw place.wrongType(json, 'an object')
  const given = new Map(Object.entries(json))
  const keys = Object.entries(fields).map(([property, field]) => [property, jsonKey(property, field), field] as const)
  const names = new Map(keys.map(([, key]) => [key.toLowerCase(), key]))
  for (const [name, value] of Object.entries(json)) {
    const key = names.get(name.toLowerCase())
    if (key === undefined) warnOfUnknownKey(name, keys.map(([, key]) => key), place)
    else if (!given.has(key)) given.set(key, value)
  }
  return Object.fromEntries(keys.map(([property, key, field]) =>
    [property, field.parse(given.get(key) ?? undefined, (fallback as Record<string, unknown>)[property], place.inside(key, field.hidden))],
  )) as Values<F>
}

function warnOfUnknownKey (name: string, keys: readonly string[], place: Place): void {
  const nearest = nearestName(name, keys)
  const known = nearest === undefined ? `known are ${keys.join(', ')}` : `did you mean ${nearest}?`
  place.inside(name).warn(`this key is not known and has no effect; ${known}`)
}

export function fieldsToJson<F extends Fields> (fields: F, values: Values<F>): JsonObject {
  return Object.fromEntries(Object.entries(fields)
    .map(([property, field]) => [jsonKey(property, field), field.toJson((values as Record<string, unknown>)[property]), field] as const)
    .filter(([, json, field]) => json !== undefined && !isOmitted(field, json)))
}

/** No field whose omission depends on its initial value has one that depends on the machine. */
const anyMachine: ReadingContext = { folder: '', hostname: '', warn: () => {} }

function isOmitted (field: Field, json: unknown): boolean {
  switch (field.omit) {
    case 'never': return false
    case 'when empty': return json === '' || json === 0 || json === false || (Array.isArray(json) && json.length === 0)
    case 'when initial': return JSON.stringify(json) === JSON.stringify(field.toJson(field.initial(anyMachine)))
  }
}

/** `json` with the keys of `original` that no field has, behind the known ones: nothing of the user's is lost on a save. */
export function withUnknownKeys (fields: Fields, json: JsonObject, original: unknown): JsonObject {
  if (!isJsonObject(original)) return json
  const merged = new Map(Object.entries(json))
  const known = new Map(Object.entries(fields).map(([property, field]) => [jsonKey(property, field), field]))
  const lowerCase = new Set([...known.keys()].map(key => key.toLowerCase()))
  for (const [name, value] of Object.entries(original)) {
    const inside = known.get(name)?.fields
    if (inside !== undefined && isJsonObject(merged.get(name))) merged.set(name, withUnknownKeys(inside, merged.get(name) as JsonObject, value))
    else if (!lowerCase.has(name.toLowerCase())) merged.set(name, value)
  }
  return Object.fromEntries(merged)
}

/** The fields that have an environment variable, with its name and the way to their key. */
export function * variables (fields: Fields, prefix: string, path: readonly string[] = []): Generator<{ name: string, field: Field, path: readonly string[] }> {
  for (const [property, field] of Object.entries(fields)) {
    const key = jsonKey(property, field)
    const name = `${prefix}_${variableWord(key)}`
    if (field.fields !== undefined) yield * variables(field.fields, name, [...path, key])
    else if (field.variable !== undefined) yield { name, field, path: [...path, key] }
  }
}

/**
 * `json` with what the environment overrides, or undefined when it overrides nothing. An empty
 * variable counts as given.
 * @throws ClusterError `INVALID_CONFIGURATION` with the reference's text
 */
export function overrideFromEnvironment (fields: Fields, json: JsonObject, prefix: string, environment: Environment, place: Place): JsonObject | undefined {
  let overridden: JsonObject | undefined
  for (const { name, field, path } of variables(fields, prefix)) {
    const text = environment[name]
    if (text === undefined) continue
    const type = field.variable as VariableType
    let value: unknown
    try {
      value = variableToJson(type, text)
    } catch (error) {
      const [shown, details] = field.hidden ? ['hidden', 'hidden'] : [text, errorText(error)]
      throw place.inside(path.join('.'), field.hidden).refuse(text, field.form,
        `envconfig.Process: assigning ${name} to ${fieldName(path.at(-1) as string)}: converting '${shown}' to type ${type}. details: ${details}`)
    }
    overridden = withValueAt(overridden ?? json, path, value)
  }
  return overridden
}

function withValueAt (json: JsonObject, path: readonly string[], value: unknown): JsonObject {
  const [key, ...rest] = path as readonly [string, ...string[]]
  if (rest.length === 0) return { ...json, [key]: value }
  const inside = json[key]
  return { ...json, [key]: withValueAt(isJsonObject(inside) ? inside : {}, rest, value) }
}

/** JSON Schema of an object with these fields; other keys are allowed. */
export function fieldsJsonSchema (fields: Fields): object {
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([property, field]) => [jsonKey(property, field), { description: field.describe, ...field.jsonSchema }])),
  }
}
