import type { Environment } from './environment.ts'
import { fieldsJsonSchema, fieldsToJson, initialValues, isJsonObject, jsonKey, overrideFromEnvironment, parseFields, type Fields, type JsonObject, type Values } from './field.ts'
import { Place, type ReadingContext } from './place.ts'

/** What must hold of a section's values. */
export interface Rule<V> {
  /** The JSON key that the message is about. */
  readonly key: string
  /** What is allowed there, for messages and the documentation. */
  readonly allowed: string
  readonly holds: (values: V) => boolean
  /** The contract's text where it fixes one. */
  readonly message: string | ((values: V) => string)
}

/** Makes the usual rules. */
export interface RuleMaker<V> {
  /** A number that must be above 0. */
  positive (key: string, value: (values: V) => number, message: string): Rule<V>
  /** A number that must not be negative. */
  notNegative (key: string, value: (values: V) => number, message: string): Rule<V>
}

/** How a section is described: one table is the source of all that a {@link Section} does. */
export interface SectionDefinition<F extends Fields> {
  readonly describe: string
  /** Environment variables begin with this and `_`: `CLUSTER_RESTAPI`. */
  readonly environment: string
  readonly fields: F
  /** Checked in this order. A function, so that the fields' types are known in it. */
  readonly rules?: (maker: RuleMaker<Values<F>>) => ReadonlyArray<Rule<Values<F>>>
  /** Which broken rule is reported; default `first`. */
  readonly reports?: 'first' | 'last'
  /** Checks beyond the values themselves, such as files that they name. @throws ClusterError */
  readonly verify?: (values: Values<F>, place: Place) => void
}

/** A section of service.json. */
export interface Section<F extends Fields = Fields> extends Omit<SectionDefinition<F>, 'rules' | 'reports' | 'verify'> {
  /** Group and component: `api.restapi`; `cluster` stands alone. */
  readonly name: string
  readonly rules: ReadonlyArray<Rule<Values<F>>>
  /** The values that `init` writes (without the generated ones). */
  initial (context: ReadingContext): Values<F>
  /** @throws ClusterError `INVALID_CONFIGURATION` */
  parse (json: unknown, context: ReadingContext): Values<F>
  /** `values` with what environment variables override. @throws ClusterError `INVALID_CONFIGURATION` */
  override (values: Values<F>, environment: Environment, context: ReadingContext): Values<F>
  toJson (values: Values<F>): JsonObject
  /** JSON without what must not be shown. */
  toDisplayJson (values: Values<F>): JsonObject
  /** The form in the file as JSON Schema. */
  jsonSchema (): object
}

export function defineSection<const F extends Fields> (name: string, definition: SectionDefinition<F>): Section<F> {
  const { describe, environment, fields } = definition
  const rules = definition.rules?.(ruleMaker()) ?? []
  const at = (context: ReadingContext): Place => new Place(name, '', false, context)

  const check = (values: Values<F>, place: Place): Values<F> => {
    const broken = rules.filter(rule => !rule.holds(values))
    const rule = definition.reports === 'last' ? broken.at(-1) : broken[0]
    if (rule !== undefined) {
      const message = typeof rule.message === 'string' ? rule.message : rule.message(values)
      throw at(place.context).inside(rule.key, isHidden(fields, rule.key)).refuse(valueAt(fieldsToJson(fields, values), rule.key), rule.allowed, message)
    }
    definition.verify?.(values, place)
    return values
  }

  return {
    name,
    describe,
    environment,
    fields,
    rules,
    initial: context => initialValues(fields, context),
    parse: (json, context) => check(parseFields(fields, json, initialValues(fields, context), at(context)), at(context)),
    override (values, variables, context) {
      const json = overrideFromEnvironment(fields, fieldsToJson(fields, values), environment, variables, at(context))
      return json === undefined ? values : check(parseFields(fields, json, values, at(context)), at(context))
    },
    toJson: values => fieldsToJson(fields, values),
    toDisplayJson: values => withoutHidden(fields, fieldsToJson(fields, values)),
    jsonSchema: () => ({ title: name, description: describe, ...fieldsJsonSchema(fields) }),
  }
}

function ruleMaker<V> (): RuleMaker<V> {
  return {
    positive: (key, value, message) => ({ key, allowed: 'more than 0', holds: values => value(values) > 0, message }),
    notNegative: (key, value, message) => ({ key, allowed: '0 or more', holds: values => value(values) >= 0, message }),
  }
}

function valueAt (json: JsonObject, key: string): unknown {
  return key.split('.').reduce<unknown>((inside, word) => isJsonObject(inside) ? inside[word] : undefined, json)
}

function isHidden (fields: Fields, key: string): boolean {
  return Object.entries(fields).some(([property, field]) => field.hidden && jsonKey(property, field) === key)
}

function withoutHidden (fields: Fields, json: JsonObject): JsonObject {
  const hidden = new Set(Object.entries(fields).filter(([, field]) => field.hidden).map(([property, field]) => jsonKey(property, field)))
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, hidden.has(key) ? 'XXX_hidden_XXX' : value]))
}
