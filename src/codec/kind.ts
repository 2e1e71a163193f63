import type { MsgpackReader } from './msgpack-reader.ts'
import type { MsgpackWriter } from './msgpack.ts'
import type { ProtobufReader, ProtobufWriter } from './protobuf.ts'

/** A JSON Schema, as the OpenAPI page shows it. */
export interface JsonSchema { readonly [keyword: string]: unknown }

/**
 * What a field holds, in every wire form. Decoding functions throw `ClusterError`
 * `INVALID_WIRE_DATA` without the path: whoever contains the value adds its name.
 */
export interface Kind<T> {
  /** The value of a field that is absent (JSON, msgpack). */
  readonly zero: T
  /** True when there is no value that a field could have while it is absent. */
  readonly required?: true
  readonly jsonSchema: JsonSchema
  /** True for what `?` behind a wire name leaves out. */
  readonly isEmpty: (value: T) => boolean
  /** The same for msgpack where it differs: there an empty list or map is not left out, only one that was never given. */
  readonly isUnset?: (value: T) => boolean
  readonly toJson: (value: T) => string
  /** `json` is neither undefined nor, unless the kind says so, null. */
  readonly fromJson: (json: unknown) => T
  readonly writeMsgpack: (writer: MsgpackWriter, value: T) => void
  readonly readMsgpack: (reader: MsgpackReader) => T
  readonly protobuf?: ProtobufKind<T>
}

/** How a field stands in protobuf. Zero values are left out on writing, as proto3 does. */
export interface ProtobufKind<T> {
  /** The value of a field that is absent. */
  readonly zero: T
  readonly wireType: 0 | 2
  /** Writes the field with its tag as often as its value needs it. */
  readonly write: (writer: ProtobufWriter, tag: number, value: T) => void
  /** Reads one occurrence; `before` is what earlier occurrences gave. */
  readonly read: (reader: ProtobufReader, before: T) => T
}

/** The tag of a protobuf field. */
export function protobufTag (number: number, wireType: 0 | 2): number {
  return number * 8 + wireType
}
