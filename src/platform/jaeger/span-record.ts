import { errorText } from '../../domain/errors.ts'
import type { Time } from '../../domain/time.ts'
import type { SpanAttributes } from '../tracer.ts'
import { CompactWriter } from './thrift-compact.ts'

/** What identifies a span, and says where it belongs. */
export interface SpanPlace {
  readonly traceIdHigh: bigint
  readonly traceIdLow: bigint
  readonly spanId: bigint
  /** 0 for the first of its trace. */
  readonly parentSpanId: bigint
}

/** A span that is over. */
export interface SpanRecord {
  readonly place: SpanPlace
  readonly name: string
  readonly startedAt: Time
  readonly durationMs: number
  readonly attributes: SpanAttributes
  /** What it failed with, or undefined. */
  readonly error: unknown
}

/** Text in attributes is cut here: a packet has to hold the span. */
const maxTextLength = 1024

const tagTypes = { string: 0, number: 1, boolean: 2, integer: 3 } as const
const isSampled = 1
/** The status that the reference's spans of failed calls have. */
const failedStatus = 127

/** A span as Jaeger's `Span` (jaeger.thrift), with the tags that the reference gives it. */
export function encodeSpan ({ place, name, startedAt, durationMs, attributes, error }: SpanRecord): Uint8Array {
  const hasFailed = error !== undefined
  const tags = Object.entries({
    ...attributes,
    'status.code': hasFailed ? failedStatus : 0,
    'status.message': hasFailed ? errorText(error) : '',
    ...(hasFailed && { error: true }),
  })
  const writer = new CompactWriter()
  writer.beginStruct()
  writer.i64Field(1, place.traceIdLow)
  writer.i64Field(2, place.traceIdHigh)
  writer.i64Field(3, place.spanId)
  writer.i64Field(4, place.parentSpanId)
  writer.textField(5, name.slice(0, maxTextLength))
  writer.i32Field(7, isSampled)
  writer.i64Field(8, microseconds(startedAt))
  writer.i64Field(9, microseconds(durationMs))
  writer.structListField(10, tags.length)
  for (const [key, value] of tags) writeTag(writer, key, value)
  writer.endStruct()
  return writer.bytes()
}

/** A batch as the agent takes it: `Agent.emitBatch` with encoded spans and who they are from. */
export function encodeBatch (process: Uint8Array, spans: readonly Uint8Array[], sequence: number): Uint8Array {
  const writer = new CompactWriter(batchOverheadBytes + process.length + spans.reduce((sum, span) => sum + span.length, 0))
  writer.oneWayCall('emitBatch', sequence)
  writer.beginStruct()
  writer.structField(1)
  writer.structField(1)
  writer.raw(process)
  writer.endStruct()
  writer.structListField(2, spans.length)
  for (const span of spans) writer.raw(span)
  writer.endStruct()
  writer.endStruct()
  return writer.bytes()
}

/** What a batch needs beside its process and spans. */
export const batchOverheadBytes = 64

/** The fields of a `Process`, without its end. */
export function encodeProcess (service: string, attributes: SpanAttributes): Uint8Array {
  const writer = new CompactWriter()
  const tags = Object.entries(attributes)
  writer.beginStruct()
  writer.textField(1, service.slice(0, maxTextLength))
  writer.structListField(2, tags.length)
  for (const [key, value] of tags) writeTag(writer, key, value)
  return writer.bytes()
}

function writeTag (writer: CompactWriter, key: string, value: string | number | boolean): void {
  writer.beginStruct()
  writer.textField(1, key)
  if (typeof value === 'string') {
    writer.i32Field(2, tagTypes.string)
    writer.textField(3, value.slice(0, maxTextLength))
  } else if (typeof value === 'boolean') {
    writer.i32Field(2, tagTypes.boolean)
    writer.booleanField(5, value)
  } else if (Number.isSafeInteger(value)) {
    writer.i32Field(2, tagTypes.integer)
    writer.i64Field(6, BigInt(value))
  } else {
    writer.i32Field(2, tagTypes.number)
    writer.doubleField(4, value)
  }
  writer.endStruct()
}

function microseconds (ms: number): bigint { return BigInt(Math.round(ms * 1000)) }
