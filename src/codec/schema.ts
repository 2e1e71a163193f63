import { compileJson } from './compile-json.ts'
import { compileMsgpack } from './compile-msgpack.ts'
import { compileProtobuf } from './compile-protobuf.ts'
import type { JsonSchema, Kind } from './kind.ts'
import type { Message, MsgpackMessage, ProtobufMessage } from './message.ts'
import type { QueryForm } from './query-forms.ts'

/** The wire facts of a field. A name that ends in `?` is left out when the value is empty (`omitempty`). */
export interface FieldNames {
  readonly json: string
  readonly msgpack: string
  /** The number in protobuf, or the number of a group and the number within it. */
  readonly protobuf?: number | readonly [group: number, number: number]
  /** A number under which older peers wrote the same, read but never written. */
  readonly olderProtobuf?: readonly [group: number, number: number]
  /** One sentence for the documentation. */
  readonly describe: string
}

export interface Field<T> extends FieldNames {
  readonly kind: Kind<T>
  readonly query: QueryForm<T> | undefined
}

export function field<T> (kind: Kind<T>, names: FieldNames, query?: QueryForm<T>): Field<T> {
  return { kind, query, ...names }
}

/** One field for every property of `T`: a schema that does not agree with its domain type does not compile. */
export type Fields<T> = { readonly [Name in keyof T]-?: Field<T[Name]> }

/** What the compilers work on: the fields in the order of the wire. */
export type AnyField = Field<unknown> & { readonly property: string }

/** The fields in the order in which they were written down. */
export function orderedFields<T> (fields: Fields<T>): readonly AnyField[] {
  return Object.entries(fields).map(([property, declared]) => ({ ...declared as Field<unknown>, property }))
}

export type SchemaMessage<T> = Message<T> & MsgpackMessage<T> & { readonly jsonSchema: JsonSchema }

/** Compiles a schema into the JSON and msgpack codecs of its type. */
export function message<T> (name: string, fields: Fields<T>): SchemaMessage<T> {
  const ordered = orderedFields(fields)
  return { name, jsonSchema: objectSchema(ordered), ...compileJson<T>(name, ordered), ...compileMsgpack<T>(name, ordered) }
}

/** Like {@link message}, for a type that is also stored in protobuf. */
export function storedMessage<T> (name: string, fields: Fields<T>): SchemaMessage<T> & ProtobufMessage<T> {
  return { ...message(name, fields), ...compileProtobuf<T>(name, orderedFields(fields)) }
}

/** A message as a value within another. */
export function nested<T> (fields: Fields<T>): Kind<T> {
  const ordered = orderedFields(fields)
  const json = compileJson<T>('', ordered)
  const { write, read } = compileMsgpack<T>('', ordered)
  return {
    zero: Object.fromEntries(ordered.map(({ property, kind }) => [property, kind.zero])) as T,
    jsonSchema: objectSchema(ordered),
    isEmpty: (value) => ordered.every(({ property, kind }) => (kind.isUnset ?? kind.isEmpty)((value as Record<string, unknown>)[property])),
    toJson: json.encodeJson,
    fromJson: json.readJson,
    writeMsgpack: write,
    readMsgpack: read,
  }
}

function objectSchema (fields: readonly AnyField[]): JsonSchema {
  const properties = fields.map(({ json, kind, describe }) => [json.replace('?', ''), { ...kind.jsonSchema, description: describe }])
  return { type: 'object', properties: Object.fromEntries(properties), required: fields.filter(({ json }) => !json.endsWith('?')).map(({ json }) => json) }
}
