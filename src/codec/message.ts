import type { MsgpackReader } from './msgpack-reader.ts'
import type { MsgpackWriter } from './msgpack.ts'

/**
 * A type with its wire forms, all derived from one schema. Decoders are total: wrong input gives
 * a `ClusterError` with the path of the field, never a half-filled value.
 */
export interface Message<T> {
  readonly name: string
  /** One JSON text without newline, in the contract's field order and escaping (spec/rest-api.md 1.4). */
  encodeJson (value: T): string
  /** From parsed JSON. @throws ClusterError `INVALID_WIRE_DATA` */
  decodeJson (json: unknown): T
}

/** A message that the store and the peers also write in protobuf. */
export interface ProtobufMessage<T> extends Message<T> {
  encodeProtobuf (value: T): Uint8Array
  /** @throws ClusterError `INVALID_WIRE_DATA` */
  decodeProtobuf (bytes: Uint8Array): T
}

/** One msgpack value among others in a stream. */
export interface MsgpackValue<T> {
  write (writer: MsgpackWriter, value: T): void
  /** @throws ClusterError `INVALID_WIRE_DATA`, `INVALID_CID` and its kin */
  read (reader: MsgpackReader): T
}

/** A message that peers send each other in msgpack (spec/wire.md 4). */
export interface MsgpackMessage<T> extends Message<T>, MsgpackValue<T> {
  encodeMsgpack (value: T): Uint8Array
  /** @throws ClusterError `INVALID_WIRE_DATA` */
  decodeMsgpack (bytes: Uint8Array): T
}
