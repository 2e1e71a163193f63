import { cidFromBytes, cidToBytes, parseCid, type Cid } from '../domain/cid.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { parsePeerId } from '../domain/peer-id.ts'
import type { Time } from '../domain/time.ts'
import { invalidData, quoteJson, unexpected } from './json.ts'
import type { JsonSchema, Kind } from './kind.ts'
import { multiaddressBytes, multiaddressJson, multiaddressText } from './multiaddress-cache.ts'
import { peerIdBytes, peerIdText } from './peer-id-cache.ts'
import { firstSecond, formatTime, lastSecond, parseTime } from './time.ts'

export const text: Kind<string> = {
  zero: '',
  jsonSchema: { type: 'string' },
  isEmpty: (value) => value === '',
  toJson: quoteJson,
  fromJson: expectText,
  writeMsgpack: (writer, value) => writer.text(value),
  readMsgpack: (reader) => reader.text(),
  protobuf: {
    zero: '',
    wireType: 2,
    write (writer, tag, value) {
      if (value === '') return
      writer.varint(tag)
      writer.text(value)
    },
    read: (reader) => reader.text(),
  },
}

export const boolean: Kind<boolean> = {
  zero: false,
  jsonSchema: { type: 'boolean' },
  isEmpty: (value) => !value,
  toJson: String,
  fromJson (json) {
    if (typeof json !== 'boolean') throw unexpected('true or false', json)
    return json
  },
  writeMsgpack: (writer, value) => writer.boolean(value),
  readMsgpack: (reader) => reader.boolean(),
}

/** A signed whole number; `int32` where protobuf has no more. */
export function integer (size: 'int32' | 'int64' = 'int64'): Kind<number> {
  const most = size === 'int32' ? 2 ** 31 - 1 : 2 ** 63
  const check = (value: unknown): number => {
    if (typeof value !== 'number' || !Number.isInteger(value)) throw unexpected('a whole number', value)
    if (value > most || value < -most - 1) throw invalidData(`${value} is out of range`)
    return value + 0
  }
  return {
    zero: 0,
    jsonSchema: { type: 'integer', format: size },
    isEmpty: (value) => value === 0,
    toJson: signedText,
    fromJson: check,
    writeMsgpack: (writer, value) => writer.signed(value),
    readMsgpack: (reader) => check(reader.integer()),
    protobuf: {
      zero: 0,
      wireType: 0,
      write (writer, tag, value) {
        if (value === 0) return
        writer.varint(tag)
        writer.zigzag(value)
      },
      read: (reader) => reader.zigzag(),
    },
  }
}

/** The ends of the range as they are: a double has more than the largest, and its digits lead out of the range at either. */
function signedText (value: number): string {
  if (Math.abs(value) < 2 ** 63) return String(value)
  return value > 0 ? '9223372036854775807' : '-9223372036854775808'
}

/** A whole number without sign: sizes and counts. */
export const unsigned: Kind<number> = {
  zero: 0,
  jsonSchema: { type: 'integer', minimum: 0 },
  isEmpty: (value) => value === 0,
  toJson: String,
  fromJson (json) {
    if (typeof json !== 'number' || !Number.isInteger(json)) throw unexpected('a whole number', json)
    return checkUnsigned(json)
  },
  writeMsgpack: (writer, value) => writer.unsigned(value),
  readMsgpack: (reader) => checkUnsigned(reader.integer()),
  protobuf: {
    zero: 0,
    wireType: 0,
    write (writer, tag, value) {
      if (value === 0) return
      writer.varint(tag)
      writer.varint(value)
    },
    read: (reader) => checkUnsigned(reader.varint()),
  },
}

/** The greatest number of 64 bits that a double holds: the next one needs a bit more. */
const mostUnsigned = 2 ** 64 - 2 ** 11

function checkUnsigned (value: number): number {
  if (value < 0 || value > 2 ** 64) throw invalidData(`${value} is out of range`)
  return Math.min(value, mostUnsigned) + 0
}

export const float: Kind<number> = {
  zero: 0,
  jsonSchema: { type: 'number' },
  isEmpty: (value) => value === 0,
  toJson: (value) => Number.isFinite(value) ? String(value) : '0',
  fromJson (json) {
    if (typeof json !== 'number') throw unexpected('a number', json)
    return json
  },
  writeMsgpack: (writer, value) => writer.float(value),
  readMsgpack (reader) {
    const value = reader.float()
    if (!Number.isFinite(value)) throw invalidData('a number that is not finite')
    return value
  },
}

/** A moment. Protobuf keeps whole seconds only. */
export const time: Kind<Time> = {
  zero: 0,
  jsonSchema: { type: 'string', format: 'date-time' },
  isEmpty: (value) => value === 0,
  toJson: (value) => `"${formatTime(value)}"`,
  fromJson: (json) => parseTime(expectText(json)),
  writeMsgpack: (writer, value) => writer.time(value),
  readMsgpack: (reader) => reader.time(),
  protobuf: {
    zero: 0,
    wireType: 0,
    write (writer, tag, value) {
      // What is written must be read again, also where a clock is far out.
      const seconds = Math.min(Math.max(Math.floor(value / 1000), firstSecond), lastSecond)
      if (seconds === 0) return
      writer.varint(tag)
      writer.varint(seconds)
    },
    read: (reader) => timeFromSeconds(reader.signedVarint()),
  },
}

function timeFromSeconds (seconds: number): Time {
  if (seconds < firstSecond || seconds > lastSecond) throw invalidData('a time outside of the years 0 to 9999')
  return seconds * 1000
}

/** A moment as signed 64 bit nanoseconds since 1970, kept to the microsecond. */
export const nanoseconds: Kind<Time> = {
  zero: 0,
  jsonSchema: { type: 'integer', format: 'int64' },
  isEmpty: (value) => value === 0,
  toJson: (value) => value === 0 ? '0' : `${BigInt(Math.round(value * 1000)) * 1000n}`,
  fromJson (json) {
    if (typeof json !== 'number' || !Number.isInteger(json)) throw unexpected('a whole number', json)
    return timeFromNanoseconds(json)
  },
  writeMsgpack: (writer, value) => writer.signed(BigInt(Math.round(value * 1000)) * 1000n),
  readMsgpack: (reader) => timeFromNanoseconds(reader.wholeNumber()),
}

/** Rounds in whole numbers: a double has 512 ns between neighbours here, and rounding twice would show. */
function timeFromNanoseconds (value: number | bigint): Time {
  if (value < -(2 ** 63) || value > 2 ** 63) throw invalidData(`${value} is out of range`)
  const whole = BigInt(value)
  return Number((whole + (whole < 0n ? -500n : 500n)) / 1000n) / 1000 + 0
}

/** A kind that is raw bytes in the binary forms and text in JSON. */
function bytesAsText<T extends string> (options: {
  readonly jsonSchema: JsonSchema
  readonly parse: (text: string) => T
  readonly fromBytes: (bytes: Uint8Array) => T
  readonly toBytes: (value: T) => Uint8Array
  readonly toJson?: (value: T) => string
}): Kind<T> {
  const { parse, fromBytes, toBytes } = options
  return {
    zero: '' as T,
    required: true,
    jsonSchema: options.jsonSchema,
    isEmpty: (value) => value === '',
    toJson: options.toJson ?? ((value) => `"${value}"`),
    fromJson: (json) => parse(expectText(json)),
    writeMsgpack: (writer, value) => writer.raw(toBytes(value)),
    readMsgpack: (reader) => fromBytes(reader.raw()),
    protobuf: {
      zero: '' as T,
      wireType: 2,
      write (writer, tag, value) {
        writer.varint(tag)
        writer.raw(toBytes(value))
      },
      read: (reader) => fromBytes(reader.view()),
    },
  }
}

export const cid: Kind<Cid> = bytesAsText({ jsonSchema: { type: 'string', format: 'cid' }, parse: parseCid, fromBytes: cidFromBytes, toBytes: cidToBytes })

export const peerId: Kind<PeerId> = bytesAsText({ jsonSchema: { type: 'string', format: 'peer-id' }, parse: parsePeerId, fromBytes: peerIdText, toBytes: peerIdBytes })

export const multiaddress: Kind<Multiaddress> = bytesAsText({
  jsonSchema: { type: 'string', format: 'multiaddress' },
  parse: parseMultiaddress,
  fromBytes: multiaddressText,
  toBytes: multiaddressBytes,
  toJson: multiaddressJson,
})

/** A kind whose value may be missing: null in JSON (or left out, by `?`), no bytes in the binary forms. */
export function optional<T extends string> (kind: Kind<T>): Kind<T | undefined> {
  const { protobuf } = kind
  return {
    zero: undefined,
    jsonSchema: { oneOf: [kind.jsonSchema, { type: 'null' }] },
    isEmpty: (value) => value === undefined,
    toJson: (value) => value === undefined ? 'null' : kind.toJson(value),
    fromJson: (json) => json === '' ? undefined : kind.fromJson(json),
    writeMsgpack (writer, value) {
      if (value === undefined) writer.nil()
      else kind.writeMsgpack(writer, value)
    },
    readMsgpack (reader) {
      const start = reader.at
      if (reader.raw().length === 0) return undefined
      reader.at = start
      return kind.readMsgpack(reader)
    },
    ...(protobuf === undefined ? {} : {
      protobuf: {
        zero: undefined,
        wireType: protobuf.wireType,
        write (writer, tag, value) {
          if (value !== undefined) protobuf.write(writer, tag, value)
        },
        read (reader, before) {
          const start = reader.at
          if (reader.varint() === 0) return undefined
          reader.at = start
          return protobuf.read(reader, before as T)
        },
      },
    } satisfies Partial<Kind<T | undefined>>),
  }
}

/** One of a few words, which the binary forms number. */
export function words<T extends string> (options: {
  readonly zero: T
  readonly words: readonly T[]
  /** The number in msgpack, and its reverse; an unknown number or word is the zero value. */
  readonly msgpack: readonly number[]
  readonly signed: boolean
  /** True when protobuf numbers the words by their place. */
  readonly protobuf?: boolean
}): Kind<T> {
  const { words, zero } = options
  const numberOf = new Map(words.map((word, place) => [word, options.msgpack[place] as number]))
  const wordOf = new Map(words.map((word, place) => [options.msgpack[place] as number, word]))
  const known = new Set<unknown>(words)
  const kind: Kind<T> = {
    zero,
    jsonSchema: { type: 'string', enum: words },
    isEmpty: (value) => numberOf.get(value) === 0,
    toJson: (value) => `"${value}"`,
    fromJson: (json) => known.has(expectText(json)) ? json as T : zero,
    writeMsgpack: (writer, value) => options.signed ? writer.signed(numberOf.get(value) ?? 0) : writer.unsigned(numberOf.get(value) ?? 0),
    readMsgpack: (reader) => wordOf.get(reader.integer()) ?? zero,
  }
  if (options.protobuf !== true) return kind
  return {
    ...kind,
    protobuf: {
      zero,
      wireType: 0,
      write (writer, tag, value) {
        const place = words.indexOf(value)
        if (place <= 0) return
        writer.varint(tag)
        writer.varint(place)
      },
      read: (reader) => words[reader.varint()] ?? zero,
    },
  }
}

function expectText (json: unknown): string {
  if (typeof json !== 'string') throw unexpected('text', json)
  return json.isWellFormed() ? json : json.toWellFormed()
}
