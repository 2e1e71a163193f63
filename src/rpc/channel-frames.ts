import { invalidData } from '../codec/json.ts'
import { MsgpackReader } from '../codec/msgpack-reader.ts'
import type { MsgpackWriter } from '../codec/msgpack.ts'
import type { ReplyHeader, ServiceId } from '../codec/peer-messages.ts'
import type { CallValue } from './methods.ts'
import { Refusal } from './permission.ts'

/**
 * Many calls on one stream, between peers of this project: the Go program does not have it, and
 * opens a stream for each call. What the frames are is in README.md beside this file.
 */
export const callsProtocol = '/flotilla/calls/1.0.0'

/** The array before a request: a number, and names of 256 characters of four bytes at most. */
export const maxCallFrameBytes = 2 * 1024
/** The array before a reply: a number, and the text of an error of so many characters of three bytes at most. */
const maxErrorCharacters = 8 * 1024
export const maxAnswerFrameBytes = 4 * maxErrorCharacters
/** What is larger would hold up the calls behind it: such methods keep a stream of their own. */
export const maxCarriedBytes = 4 * 1024 * 1024
/** Calls of one channel are numbered from 1 to this; then a new one is opened. */
export const maxCallNumber = 0xffff_ffff
const maxNameCharacters = 256

/** A call, or with no method the end of the caller's interest in it. */
export interface CallFrame { readonly number: number, readonly serviceId: ServiceId | undefined }
/** What stands before a reply, or with an error instead of one. */
export interface AnswerFrame { readonly number: number, readonly failure: ReplyHeader | undefined }

/** What of a method says how its calls are made. */
export interface MethodSizes {
  readonly shape: 'unary' | 'stream'
  readonly request: { readonly maxBytes: number }
  readonly reply: { readonly maxBytes: number }
}

/** True for methods whose calls go over a channel where both sides have it. */
export function isCarried (method: MethodSizes): boolean {
  return method.shape === 'unary' && method.request.maxBytes <= maxCarriedBytes && method.reply.maxBytes <= maxCarriedBytes
}

export function writeCall<T> (writer: MsgpackWriter, number: number, { service, method }: ServiceId, codec: CallValue<T>, request: T): void {
  writer.arrayHeader(3)
  writer.unsigned(number)
  writer.text(service)
  writer.text(method)
  codec.write(writer, request)
}

export function writeCancel (writer: MsgpackWriter, number: number): void {
  writer.arrayHeader(1)
  writer.unsigned(number)
}

/** @throws Refusal when the reply is larger than the other side takes */
export function writeReply<T> (writer: MsgpackWriter, number: number, codec: CallValue<T>, reply: T): void {
  writer.arrayHeader(1)
  writer.unsigned(number)
  const start = writer.sizeBytes
  codec.write(writer, reply)
  if (writer.sizeBytes - start > codec.maxBytes) throw new Refusal(`the answer has more than ${codec.maxBytes} bytes`, 0)
}

export function writeFailure (writer: MsgpackWriter, number: number, { errorType, message }: Refusal): void {
  writer.arrayHeader(3)
  writer.unsigned(number)
  writer.signed(errorType)
  writer.text(message.slice(0, maxErrorCharacters))
}

/** @throws ClusterError `INVALID_WIRE_DATA` */
export function decodeCallFrame (bytes: Uint8Array): CallFrame {
  const { reader, number, isNumberOnly } = enterFrame(bytes, 'a call')
  if (isNumberOnly) return { number, serviceId: undefined }
  const serviceId = { service: reader.text(), method: reader.text() }
  if (serviceId.service.length + serviceId.method.length > maxNameCharacters) throw invalidData('service and method are longer than 256 characters')
  return { number, serviceId }
}

/** @throws ClusterError `INVALID_WIRE_DATA` */
export function decodeAnswerFrame (bytes: Uint8Array): AnswerFrame {
  const { reader, number, isNumberOnly } = enterFrame(bytes, 'an answer')
  if (isNumberOnly) return { number, failure: undefined }
  const errorType = Number(reader.integer())
  return { number, failure: { serviceId: { service: '', method: '' }, error: reader.text(), errorType, isOrdered: false } }
}

/** A frame is a number, alone or with two parts that the reader is before. */
function enterFrame (bytes: Uint8Array, what: string): { readonly reader: MsgpackReader, readonly number: number, readonly isNumberOnly: boolean } {
  const reader = new MsgpackReader(bytes)
  const length = reader.enterArray()
  const number = Number(reader.integer())
  if (number < 1 || number > maxCallNumber) throw invalidData(`${number} is no number of a call`)
  if (length !== 1 && length !== 3) throw invalidData(`${what} of ${length} parts`)
  return { reader, number, isNumberOnly: length === 1 }
}
