import { expectObject, invalidData, quoteJson, setEntry, unexpected, within } from './json.ts'
import type { Kind, ProtobufKind } from './kind.ts'

/** Most elements of one list or map of a message: far above the largest cluster, far below memory. */
export const maxElements = 100_000

/** A list that may be null (never given) or empty; `?` leaves out both. */
export function nullableList<T> (element: Kind<T>): Kind<readonly T[] | null> {
  const full = list(element)
  const protobuf = element.protobuf === undefined ? undefined : repeated(element.protobuf)
  return {
    zero: null,
    jsonSchema: { oneOf: [full.jsonSchema, { type: 'null' }] },
    isEmpty: (value) => value === null || value.length === 0,
    isUnset: (value) => value === null,
    toJson: (value) => value === null ? 'null' : full.toJson(value),
    fromJson: full.fromJson,
    writeMsgpack (writer, value) {
      if (value === null) writer.nil()
      else full.writeMsgpack(writer, value)
    },
    readMsgpack: (reader) => reader.takeNil() ? null : full.readMsgpack(reader),
    ...(protobuf === undefined ? {} : { protobuf }),
  }
}

/** A list that is empty where nothing was given. */
export function list<T> (element: Kind<T>, mostElements = maxElements): Kind<readonly T[]> {
  return {
    zero: noElements as readonly T[],
    jsonSchema: { type: 'array', items: element.jsonSchema },
    isEmpty: (value) => value.length === 0,
    isUnset: () => false,
    toJson (value) {
      if (value.length === 0) return '[]'
      let json = `[${element.toJson(value[0] as T)}`
      for (let i = 1; i < value.length; i++) json += `,${element.toJson(value[i] as T)}`
      return `${json}]`
    },
    fromJson (json) {
      if (!Array.isArray(json)) throw unexpected('a list', json)
      if (json.length > mostElements) throw invalidData('too many elements')
      return json.map((item: unknown) => {
        if (item === null) throw unexpected('an element', item)
        return element.fromJson(item)
      })
    },
    writeMsgpack (writer, value) {
      writer.arrayHeader(value.length)
      for (const item of value) element.writeMsgpack(writer, item)
    },
    readMsgpack (reader) {
      const count = reader.enterArray()
      if (count > mostElements) throw invalidData('too many elements')
      const items: T[] = []
      for (let i = 0; i < count; i++) items.push(element.readMsgpack(reader))
      reader.leave()
      return items
    },
  }
}

/** Shared: a list of a domain type is never changed. */
const noElements: readonly never[] = Object.freeze([])

/** A list that was never given is stored like an empty one, and read as that. */
function repeated<T> (element: ProtobufKind<T>): ProtobufKind<readonly T[] | null> {
  return {
    zero: noElements,
    wireType: element.wireType,
    write (writer, tag, value) {
      for (const item of value ?? noElements) element.write(writer, tag, item)
    },
    read (reader, before) {
      const item = element.read(reader, element.zero)
      if (before === null || before.length === 0) return [item]
      if (before.length >= maxElements) throw invalidData('too many elements')
      ;(before as T[]).push(item)
      return before
    },
  }
}

/** A map with text keys, written in the order of its keys. */
export function record<T> (element: Kind<T>): Kind<Readonly<Record<string, T>>> {
  return {
    zero: Object.freeze({}) as Readonly<Record<string, T>>,
    jsonSchema: { type: 'object', additionalProperties: element.jsonSchema },
    isEmpty: (value) => Object.keys(value).length === 0,
    isUnset: () => false,
    toJson (value) {
      let json = ''
      for (const key of sortedKeys(value)) json += `${json === '' ? '{' : ','}${quoteJson(key)}:${element.toJson(value[key] as T)}`
      return json === '' ? '{}' : `${json}}`
    },
    fromJson (json) {
      const result: Record<string, T> = {}
      const entries = Object.entries(expectObject(json))
      if (entries.length > maxElements) throw invalidData('too many entries')
      for (const [key, value] of entries) setEntry(result, wellFormed(key), inEntry(key, () => value === null ? element.zero : element.fromJson(value)))
      return result
    },
    writeMsgpack (writer, value) {
      const keys = sortedKeys(value)
      writer.mapHeader(keys.length)
      for (const key of keys) {
        writer.text(key)
        element.writeMsgpack(writer, value[key] as T)
      }
    },
    readMsgpack (reader) {
      const result: Record<string, T> = {}
      const count = reader.enterMap()
      if (count > maxElements) throw invalidData('too many entries')
      for (let i = 0; i < count; i++) {
        const key = reader.text()
        setEntry(result, key, inEntry(key, () => element.readMsgpack(reader)))
      }
      reader.leave()
      return result
    },
  }
}

/** A map that may be null (never given) or empty. */
export function nullableRecord<T> (element: Kind<T>): Kind<Readonly<Record<string, T>> | null> {
  const full = record(element)
  return {
    zero: null,
    jsonSchema: { oneOf: [full.jsonSchema, { type: 'null' }] },
    isEmpty: (value) => value === null || full.isEmpty(value),
    isUnset: (value) => value === null,
    toJson: (value) => value === null ? 'null' : full.toJson(value),
    fromJson: full.fromJson,
    writeMsgpack (writer, value) {
      if (value === null) writer.nil()
      else full.writeMsgpack(writer, value)
    },
    readMsgpack: (reader) => reader.takeNil() ? null : full.readMsgpack(reader),
  }
}

/** Keys in the order of their UTF-8 bytes, as the reference sorts them: equal bytes on every peer. */
export function sortedKeys (value: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(value)
  return keys.length < 2 ? keys : keys.toSorted(compareText)
}

function compareText (a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    // Surrogates stand for the characters above all others, though their code units are lower than some.
    if (left !== right) return (isSurrogate(left) === isSurrogate(right) ? left - right : isSurrogate(left) ? 1 : -1)
  }
  return a.length - b.length
}

function isSurrogate (unit: number): boolean {
  return unit >= 0xd800 && unit < 0xe000
}

function wellFormed (text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed()
}

function inEntry<T> (key: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw within(key, error)
  }
}
