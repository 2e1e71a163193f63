import { invalidData, within } from './json.ts'
import { MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack.ts'
import type { Kind } from './kind.ts'
import type { MsgpackValue } from './message.ts'

export interface MsgpackCodec<T> extends MsgpackValue<T> {
  encodeMsgpack: (value: T) => Uint8Array
  decodeMsgpack: (bytes: Uint8Array) => T
}

/** What of a kind msgpack needs. */
export type MsgpackKind<T> = Pick<Kind<T>, 'zero' | 'required' | 'isEmpty' | 'isUnset' | 'writeMsgpack' | 'readMsgpack'>

export interface MsgpackField { readonly property: string, readonly msgpack: string, readonly kind: MsgpackKind<unknown> }

type AnyValue = Record<string, unknown>

const writer = new MsgpackWriter()
const neverUnset = (): boolean => false

/** Msgpack encoder and decoder of a schema: a map in the order of the fields (spec/wire.md 4). */
export function compileMsgpack<T> (message: string, fields: readonly MsgpackField[]): MsgpackCodec<T> {
  const steps = fields.map(({ property, msgpack, kind }) => {
    const name = msgpack.replace('?', '')
    writer.text(name)
    return { property, kind, name, isUnset: msgpack.endsWith('?') ? kind.isUnset ?? kind.isEmpty : neverUnset, encodedName: writer.finish() }
  })
  const placeByName = new Map(steps.map(({ name }, place) => [name, place]))
  const required = steps.filter(({ kind }) => kind.required === true)
  const zero = Object.fromEntries(steps.map(({ property, kind }) => [property, kind.zero]))

  function write (writer: MsgpackWriter, value: T): void {
    let present = steps.length
    for (const { property, isUnset } of steps) {
      if (isUnset((value as AnyValue)[property])) present--
    }
    writer.mapHeader(present)
    for (const { encodedName, property, kind, isUnset } of steps) {
      const item = (value as AnyValue)[property]
      if (isUnset(item)) continue
      writer.append(encodedName)
      kind.writeMsgpack(writer, item)
    }
  }

  function read (reader: MsgpackReader): T {
    const value: AnyValue = { ...zero }
    const count = reader.enterMap()
    for (let i = 0, expected = 0; i < count; i++) {
      const place = placeOf(reader, expected)
      if (place < 0) {
        reader.skip()
        continue
      }
      expected = place + 1
      const { kind, property, name } = steps[place] as (typeof steps)[number]
      try {
        value[property] = reader.takeNil() ? kind.zero : kind.readMsgpack(reader)
      } catch (error) {
        throw within(name, error)
      }
    }
    reader.leave()
    for (const { name, property, kind } of required) {
      if (value[property] === kind.zero) throw invalidData(`${name}: missing`)
    }
    return value as T
  }

  /** The place of the field whose name comes next, or -1. Senders keep the order of the fields, so most names need not be read. */
  function placeOf (reader: MsgpackReader, expected: number): number {
    for (let place = expected; place < steps.length; place++) {
      if (reader.takeValue((steps[place] as (typeof steps)[number]).encodedName)) return place
    }
    return placeByName.get(reader.text()) ?? -1
  }

  function encodeMsgpack (value: T): Uint8Array {
    writer.reset()
    write(writer, value)
    return writer.finish()
  }

  function decodeMsgpack (bytes: Uint8Array): T {
    try {
      const reader = new MsgpackReader(bytes)
      const value = read(reader)
      if (!reader.done) throw invalidData('bytes behind the end of the value')
      return value
    } catch (error) {
      throw within(message, error)
    }
  }

  return { encodeMsgpack, decodeMsgpack, write, read }
}
