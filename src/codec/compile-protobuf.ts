import { invalidData, within } from './json.ts'
import { protobufTag, type ProtobufKind } from './kind.ts'
import { ProtobufReader, ProtobufWriter } from './protobuf.ts'
import type { AnyField } from './schema.ts'

export interface ProtobufCodec<T> {
  encodeProtobuf: (value: T) => Uint8Array
  decodeProtobuf: (bytes: Uint8Array) => T
}

type AnyValue = Record<string, unknown>

interface Step {
  readonly property: string
  readonly name: string
  readonly tag: number
  readonly codec: ProtobufKind<unknown>
}

/** Either a field, or a group of fields that is always written. */
type Part = Step | { readonly tag: number, readonly group: Level }

interface Level {
  /** In the order of their numbers. */
  readonly parts: readonly Part[]
  readonly byTag: ReadonlyMap<number, Part>
}

const writer = new ProtobufWriter()

/**
 * Protobuf encoder and decoder of a schema. Fields are written in the order of their numbers,
 * equal values give equal bytes: replicas compare them (spec/wire.md 6.5).
 */
export function compileProtobuf<T> (message: string, fields: readonly AnyField[]): ProtobufCodec<T> {
  const root = buildLevel(fields)
  const zero = Object.fromEntries(fields.map(({ property, kind, protobuf }) => [property, protobuf === undefined ? kind.zero : kind.protobuf?.zero]))
  const required = fields.filter(({ kind, protobuf }) => kind.required === true && protobuf !== undefined)

  function encodeProtobuf (value: T): Uint8Array {
    writer.reset()
    writeLevel(root, value as AnyValue)
    return writer.finish()
  }

  function decodeProtobuf (bytes: Uint8Array): T {
    const value: AnyValue = { ...zero }
    try {
      readLevel(root, new ProtobufReader(bytes), value)
      for (const { property, json, kind } of required) {
        if (value[property] === kind.zero) throw invalidData(`${json}: missing`)
      }
    } catch (error) {
      throw within(message, error)
    }
    return value as T
  }

  return { encodeProtobuf, decodeProtobuf }
}

function buildLevel (fields: readonly AnyField[]): Level {
  const parts: Part[] = []
  const groups = new Map<number, AnyField[]>()
  for (const field of fields) {
    if (typeof field.protobuf === 'number') parts.push(step(field, field.protobuf))
    else if (field.protobuf !== undefined) groups.set(field.protobuf[0], [...groups.get(field.protobuf[0]) ?? [], field])
  }
  for (const [number, members] of groups) parts.push({ tag: protobufTag(number, 2), group: buildGroup(members) })
  return level(parts, parts)
}

function buildGroup (members: readonly AnyField[]): Level {
  const parts = members.map((field) => step(field, (field.protobuf as readonly [number, number])[1]))
  const older = members.flatMap((field) => field.olderProtobuf === undefined ? [] : [step(field, field.olderProtobuf[1])])
  return level(parts, [...parts, ...older])
}

function level (written: readonly Part[], read: readonly Part[]): Level {
  return { parts: written.toSorted((a, b) => a.tag - b.tag), byTag: new Map(read.map((part) => [part.tag, part])) }
}

function step ({ property, json, kind }: AnyField, number: number): Step {
  const codec = kind.protobuf as ProtobufKind<unknown>
  return { property, name: json, tag: protobufTag(number, codec.wireType), codec }
}

function writeLevel (level: Level, value: AnyValue): void {
  for (const part of level.parts) {
    if ('codec' in part) {
      part.codec.write(writer, part.tag, value[part.property])
      continue
    }
    writer.varint(part.tag)
    writer.nested(() => writeLevel(part.group, value))
  }
}

function readLevel (level: Level, reader: ProtobufReader, value: AnyValue): void {
  const { end } = reader
  while (reader.at < end) {
    const tag = reader.varint()
    const part = level.byTag.get(tag)
    if (part === undefined) skipField(reader, tag)
    else if ('codec' in part) readField(part, reader, value)
    else {
      reader.end = reader.lengthEnd()
      readLevel(part.group, reader, value)
      reader.end = end
    }
  }
}

function readField (step: Step, reader: ProtobufReader, value: AnyValue): void {
  try {
    value[step.property] = step.codec.read(reader, value[step.property])
  } catch (error) {
    throw within(step.name, error)
  }
}

function skipField (reader: ProtobufReader, tag: number): void {
  if (tag < 8 || tag >= 2 ** 32) throw invalidData(`protobuf field ${Math.floor(tag / 8)} does not exist`)
  reader.skip(tag % 8)
}
