import { invalidData } from '../codec/json.ts'
import { MsgpackReader } from '../codec/msgpack-reader.ts'
import { MsgpackStream } from '../codec/msgpack-stream.ts'
import { MsgpackWriter } from '../codec/msgpack.ts'
import { ReplyHeaderValue, ServiceIdValue, type ReplyHeader, type ServiceId } from '../codec/peer-messages.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerStream } from '../platform/network.ts'
import { giveBack, handOver, setApart } from '../platform/spent-memory.ts'
import type { PartialBytes } from './call-limits.ts'
import type { CallValue } from './methods.ts'

/*
 * How values stand on a stream (spec/wire.md 5): msgpack, back to back. The first is the service
 * ID, then come the requests; the other way each reply has a header before it.
 */

/** Service and method together have 256 characters at most, of up to four bytes. */
const maxServiceIdCharacters = 256
const maxServiceIdBytes = 4 * maxServiceIdCharacters + 64
/** A header has a service ID and the text of an error. */
export const maxReplyHeaderBytes = 64 * 1024
/** Of yamux: with less before it in its memory, a piece is alone there. */
const muxerHeaderBytes = 12
/** Values that are at hand go out together once they have this size. */
const batchBytes = 64 * 1024

export const serviceIdCall: CallValue<ServiceId> = { ...ServiceIdValue, maxBytes: maxServiceIdBytes }

/** Cuts what the other side sends into values. */
export class ValueReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #values = new MsgpackStream({ maxValueBytes: maxReplyHeaderBytes })
  /** The last read, so that one starts after the other also when somebody has given up waiting. */
  #lastRead: Promise<unknown> = Promise.resolve()
  readonly #partial: PartialBytes | undefined
  #countedBytes = 0
  #takenBytes = 0

  /** @param partial counts what has come in part, where many readers share a bound; {@link release} then belongs to the end */
  constructor (stream: Pick<PeerStream, 'incoming'>, partial?: PartialBytes) {
    this.#chunks = stream.incoming[Symbol.asyncIterator]()
    this.#partial = partial
  }

  /** Where the last value ended, in bytes from the start of the stream. */
  get position (): number { return this.#takenBytes }

  /** Bytes of a value that has come in part. */
  get pendingBytes (): number { return this.#values.pendingBytes }

  /** The next value if it is complete. @throws ClusterError `INVALID_WIRE_DATA`, `TOO_LARGE` */
  take (maxBytes: number): Uint8Array | undefined {
    const value = this.#values.take(maxBytes)
    if (value === undefined) return undefined
    this.#takenBytes += value.length
    // Whoever says no more after a large value has not taken its room for good.
    if (this.#countedBytes > 0) this.#count(this.#values.pendingBytes)
    if (this.#values.isAlone) setApart(value)
    return value
  }

  /** Waits for more to come; false at the end of the stream. @throws ClusterError `INVALID_WIRE_DATA` when it ends within a value */
  async fill (): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#read()
      if (done === true) {
        if (this.#values.pendingBytes > 0) throw invalidData('the stream ends within a value')
        return false
      }
      if (value.length === 0) continue
      const isCopied = this.#values.push(value)
      this.#count(this.#values.pendingBytes)
      // Others may have what stands before in the same memory, unless there is only the header of this stream's frame.
      if (isCopied && value.byteOffset <= muxerHeaderBytes) giveBack(value, 'reading')
      return true
    }
  }

  /** The next value; undefined at the end of the stream. */
  async next (maxBytes: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const value = this.take(maxBytes)
      if (value !== undefined || !await this.fill()) return value
    }
  }

  /** Reads to the end of the stream and throws away what comes. @throws ClusterError `TOO_LARGE` when that is more than `maxBytes` */
  async drain (maxBytes: number): Promise<void> {
    let bytes = this.#values.pendingBytes
    while (bytes <= maxBytes) {
      const { done, value } = await this.#read()
      if (done === true) return
      bytes += value.length
    }
    throw new ClusterError('TOO_LARGE', 'more follows a call than belongs to it')
  }

  /** Nothing of the stream is kept any more. */
  release (): void { this.#count(0) }

  #count (pendingBytes: number): void {
    if (this.#partial !== undefined) this.#countedBytes = this.#partial.count(this.#countedBytes, pendingBytes)
  }

  #read (): Promise<IteratorResult<Uint8Array>> {
    const read = this.#lastRead.then(() => this.#chunks.next())
    this.#lastRead = read.catch(() => {})
    return read
  }
}

/** Puts values together and sends many at once. */
export class ValueWriter {
  readonly #stream: PeerStream
  readonly #writer = new MsgpackWriter()
  /** Batches of one stream are alike: the next one gets the room of the last. */
  #lastBatchBytes = 0

  constructor (stream: PeerStream) { this.#stream = stream }

  /** True when it is time to {@link send}. */
  get isFull (): boolean { return this.#writer.sizeBytes >= batchBytes }

  add<T> (codec: CallValue<T>, value: T): void {
    if (codec.roomFor !== undefined) this.#writer.reserve(codec.roomFor(value))
    try {
      codec.write(this.#writer, value)
    } catch (error) {
      // Half a value would spoil all that follows.
      this.#writer.reset()
      throw error
    }
  }

  /** Adds what is msgpack already. */
  addEncoded (value: Uint8Array): void {
    if (this.#writer.sizeBytes === 0) this.#writer.reserve(this.#lastBatchBytes)
    this.#writer.append(value)
  }

  /** Adds the header of an error and the nothing that stands for its reply. */
  addError (serviceId: ServiceId, error: string, errorType: number): void {
    ReplyHeaderValue.write(this.#writer, { serviceId, error, errorType, isOrdered: false })
    this.#writer.nil()
  }

  /** Sends what was added. Resolves when there is room for more. */
  async send (): Promise<void> {
    if (this.#writer.sizeBytes === 0) return
    this.#lastBatchBytes = Math.min(this.#writer.sizeBytes, 2 * batchBytes)
    const bytes = this.#writer.detach()
    handOver(bytes, 'encryption')
    await this.#stream.write(bytes)
  }
}

const headerWriter = new MsgpackWriter()

/** A header before a reply that is no error. */
export function encodeReplyHeader (serviceId: ServiceId, isOrdered: boolean): Uint8Array {
  ReplyHeaderValue.write(headerWriter, { serviceId, error: '', errorType: 0, isOrdered })
  return headerWriter.finish()
}

/** @throws ClusterError `INVALID_WIRE_DATA`, … */
export function decodeReplyHeader (bytes: Uint8Array): ReplyHeader {
  return decodeValue(ReplyHeaderValue, bytes)
}

/** @throws ClusterError `INVALID_WIRE_DATA` also when the names are too long */
export function decodeServiceId (bytes: Uint8Array): ServiceId {
  const id = decodeValue(serviceIdCall, bytes)
  if (id.service.length + id.method.length > maxServiceIdCharacters) throw invalidData('service and method are longer than 256 characters')
  return id
}

/** A value that was cut off the stream. @throws ClusterError `INVALID_WIRE_DATA`, `INVALID_CID`, `INVALID_PEER_ID`, … */
export function decodeValue<T> (codec: Pick<CallValue<T>, 'read'>, bytes: Uint8Array): T {
  return codec.read(new MsgpackReader(bytes))
}
