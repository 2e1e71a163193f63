import { AssertionError, ClusterError, errorText } from '../domain/errors.ts'
import type { ServiceId } from '../codec/peer-messages.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Counter } from '../platform/metrics.ts'
import type { PeerId } from '../domain/peer.ts'
import type { PeerStream } from '../platform/network.ts'
import { traced, type Tracer } from '../platform/tracer.ts'
import type { PartialBytes } from './call-limits.ts'
import { decodeServiceId, decodeValue, encodeReplyHeader, serviceIdCall, ValueReader, ValueWriter } from './framing.ts'
import { lookUp, methods, type CallValue, type StreamMethod, type UnaryMethod } from './methods.ts'
import type { SenderLog } from './sender-log.ts'
import type { HandlerOptions, Handlers } from './service-handlers.ts'
import { StreamWatch } from './stream-watch.ts'

/** A caller has its request at hand when it opens the stream. */
const requestMs = 15_000
/** Between two requests of a stream somebody may upload slowly. */
const nextRequestMs = 10 * 60_000
/** A caller that takes nothing for this time is given up. */
const writeMs = 2 * 60_000
/** After the answer the caller has only to close its side. */
const lingerMs = 10_000
/** What may follow a request that is alone, and is thrown away. */
const maxSurplusBytes = 64 * 1024
/** What a caller may have on its way when its stream of requests is answered before its end. */
const maxUnreadBytes = 256 * 1024 * 1024

/** What all calls have in common. */
export interface CallContext {
  readonly clock: Clock
  readonly tracer: Tracer
  readonly isTrusted: (peer: PeerId) => boolean
  readonly handlers: Handlers
  readonly logger: Logger
  readonly senders: SenderLog
  readonly partial: PartialBytes
  readonly answered: Counter
  readonly refused: Counter
  readonly unreadable: Counter
}

/** One for all calls: most end so, and an error is dear to make. */
const callIsOver = new ClusterError('CANCELLED', 'the call is over')

type AnyHandler = (request: unknown, options: HandlerOptions) => unknown
/** What cannot be answered: the text goes to the caller, with the type of the error (spec/wire.md 5). */
class Refusal extends Error {
  readonly errorType: 0 | 1 | 3

  constructor (text: string, errorType: 0 | 1 | 3) {
    super(text)
    this.errorType = errorType
  }
}

/** One call of another peer. */
export class ServedCall {
  readonly #stream: PeerStream
  readonly #context: CallContext
  readonly #watch: StreamWatch
  readonly #reader: ValueReader
  readonly #writer: ValueWriter
  readonly #gone = new AbortController()
  #serviceId: ServiceId = { service: '', method: '' }
  /** Set by a request that cannot be read, which may be one of many. */
  #unreadable: Refusal | undefined
  /** Reading to the end of the stream, once no request is wanted any more. */
  #rest: Promise<void> | undefined

  constructor (stream: PeerStream, context: CallContext) {
    this.#stream = stream
    this.#context = context
    this.#watch = new StreamWatch(stream, context.clock)
    this.#reader = new ValueReader(stream, context.partial)
    this.#writer = new ValueWriter(stream)
  }

  /** Ends the call and whatever works for it. */
  cancel (reason: ClusterError): void {
    this.#gone.abort(reason)
    this.#watch.fail(reason)
  }

  /** Answers the call; resolves when nothing of it is left. Never rejects. */
  async run (): Promise<void> {
    const { signal } = this.#stream
    const leave = (): void => { this.#left() }
    signal.addEventListener('abort', leave, { once: true })
    try {
      await this.#answer()
      await endCall(this.#watch, this.#writer, this.#stream, this.#rest ?? this.#reader.drain(maxUnreadBytes))
    } catch (error) {
      this.#tellOfFailure(this.#watch.failure ?? error)
      this.#stream.reset()
    } finally {
      signal.removeEventListener('abort', leave)
      this.#reader.release()
      this.#gone.abort(callIsOver)
    }
  }

  /** Writes the answer, up to the last batch. */
  async #answer (): Promise<void> {
    try {
      const id = await this.#next(serviceIdCall.maxBytes, requestMs, decodeServiceId)
      if (id === undefined) throw this.#left()
      this.#serviceId = id
      const name = this.#permitted(id)
      const method = methods[name]
      const handler = this.#context.handlers[name] as AnyHandler
      await traced(this.#context.tracer, `${id.service}.${id.method}`, { kind: 'server', attributes: { peer: this.#stream.peer } }, () => method.shape === 'unary'
        ? this.#answerOne(method as UnaryMethod<unknown, unknown>, handler)
        : this.#answerMany(method as StreamMethod<unknown, unknown>, handler))
      this.#context.answered.add(1)
    } catch (error) {
      const refusal = this.#refusalOf(error)
      this.#gone.abort(new ClusterError('CANCELLED', 'the call has failed', { cause: error }))
      this.#writer.addError(this.#serviceId, refusal.message, refusal.errorType)
    }
  }

  /** Looks a method up first and asks for permission then, as the reference does. */
  #permitted ({ service, method }: ServiceId): keyof typeof methods {
    const found = lookUp(service, method)
    if (found === 'no such service') throw new Refusal(`rpc: can't find service ${service}`, 1)
    if (found === 'no such method') throw new Refusal(`rpc: can't find method ${method}`, 1)
    if (found === 'closed' || (methods[found.name].access === 'trusted' && !this.#context.isTrusted(this.#stream.peer))) {
      throw new Refusal(`client does not have permissions to call ${service}.${method}`, 3)
    }
    return found.name
  }

  async #answerOne (method: UnaryMethod<unknown, unknown>, handler: AnyHandler): Promise<void> {
    const request = await this.#nextRequest(method.request, requestMs)
    if (request === undefined) throw this.#left()
    // The caller closes its side only when it has the answer: an earlier end means that it has given up.
    this.#rest = this.#reader.drain(maxSurplusBytes)
    let isAnswered = false
    this.#rest.then(() => {
      if (!isAnswered) this.#left()
    }, (error: unknown) => { this.#watch.fail(error) })
    const reply = await handler(request.value, this.#options())
    isAnswered = true
    this.#writer.addEncoded(encodeReplyHeader(this.#serviceId, false))
    this.#writer.add(method.reply, reply)
  }

  async #answerMany (method: StreamMethod<unknown, unknown>, handler: AnyHandler): Promise<void> {
    const header = encodeReplyHeader(this.#serviceId, method.isOrdered)
    for await (const batch of handler(this.#requests(method), this.#options()) as AsyncIterable<readonly unknown[]>) {
      for (const reply of batch) {
        this.#writer.addEncoded(header)
        this.#writer.add(method.reply, reply)
        if (this.#writer.isFull) await sendInTime(this.#watch, this.#writer)
      }
      await sendInTime(this.#watch, this.#writer)
    }
    if (this.#unreadable !== undefined) throw this.#unreadable
  }

  async * #requests (method: StreamMethod<unknown, unknown>): AsyncGenerator<unknown> {
    const waitMs = method.requests === 'many' ? nextRequestMs : requestMs
    while (method.requests !== 'none') {
      const request = await this.#nextRequest(method.request, waitMs)
      if (request === undefined) return
      yield request.value
    }
  }

  /** A request, in a box because nothing is a request too; undefined at the end. */
  async #nextRequest (codec: CallValue<unknown>, waitMs: number): Promise<{ readonly value: unknown } | undefined> {
    try {
      return await this.#next(codec.maxBytes, waitMs, bytes => ({ value: decodeValue(codec, bytes) }))
    } catch (error) {
      if (!isUnreadable(error)) throw error
      this.#unreadable = new Refusal(`msgpack decode error [pos ${this.#reader.position}]: ${errorText(error)}`, 1)
      throw this.#unreadable
    }
  }

  /** The next value, which most of the time is here already. */
  async #next<T> (maxBytes: number, waitMs: number, decode: (bytes: Uint8Array) => T): Promise<T | undefined> {
    const bytes = this.#reader.take(maxBytes) ?? await this.#watch.wait(this.#reader.next(maxBytes), waitMs, `the caller has sent nothing for ${waitMs / 1000} seconds`)
    return bytes === undefined ? undefined : decode(bytes)
  }

  #options (): HandlerOptions {
    return { caller: this.#stream.peer, signal: this.#gone.signal }
  }

  /** The caller has given up: nobody is answered. */
  #left (): ClusterError {
    const reason = new ClusterError('CANCELLED', 'the caller has gone away')
    this.cancel(reason)
    return reason
  }

  /** What the caller is told of an error. @throws when there is nobody to tell */
  #refusalOf (error: unknown): Refusal {
    const { senders, logger, clock, refused, unreadable } = this.#context
    if (this.#watch.failure !== undefined || this.#stream.signal.aborted || this.#gone.signal.aborted) throw error
    if (this.#serviceId.service === '' && isUnreadable(error)) this.#unreadable = new Refusal(`error reading service ID: ${errorText(error)}`, 1)
    if (this.#unreadable !== undefined) {
      unreadable.add(1)
      senders.warn(this.#stream.peer, 'a call of a peer could not be read', this.#unreadable.message)
      return this.#unreadable
    }
    const call = `${this.#serviceId.service}.${this.#serviceId.method}`
    if (error instanceof Refusal) {
      refused.add(1)
      senders.warn(this.#stream.peer, 'a call of a peer was refused', error.message)
      return error
    }
    if (error instanceof AssertionError) clock.soon(() => { throw error })
    else if (!(error instanceof ClusterError)) logger.error({ stack: error instanceof Error ? error.stack : undefined }, `answering ${call} failed in an unforeseen way`)
    senders.warn(this.#stream.peer, `a call of ${call} failed`, errorText(error))
    return new Refusal(errorText(error), 0)
  }

  #tellOfFailure (error: unknown): void {
    const { senders, unreadable, logger } = this.#context
    const { peer } = this.#stream
    if (error instanceof ClusterError && error.code === 'TIMED_OUT') senders.warn(peer, 'a call of a peer was given up', error.message)
    else if (isUnreadable(error)) {
      unreadable.add(1)
      senders.warn(peer, 'a call of a peer could not be read', errorText(error))
    } else logger.debug({ peer }, `a call has ended early: ${errorText(error)}`)
  }
}

/** Sends the end of an answer, closes this side and waits for the caller to close its own, but not for long. */
export async function endCall (watch: StreamWatch, writer: ValueWriter, stream: PeerStream, rest: Promise<void>): Promise<void> {
  // The caller may end the stream while the answer is on its way: it is looked at below.
  rest.catch(() => {})
  await sendInTime(watch, writer)
  await watch.wait(stream.closeWrite(), writeMs, 'the caller takes nothing')
  await watch.wait(rest, lingerMs, 'the caller does not close its side')
}

async function sendInTime (watch: StreamWatch, writer: ValueWriter): Promise<void> {
  await watch.wait(writer.send(), writeMs, `the caller has taken nothing for ${writeMs / 1000} seconds`)
}

const unreadableCodes = new Set(['INVALID_WIRE_DATA', 'TOO_LARGE', 'INVALID_CID', 'INVALID_PEER_ID', 'INVALID_MULTIADDRESS'])

/** True for bytes that are not what belongs there. */
function isUnreadable (error: unknown): boolean {
  return error instanceof ClusterError && unreadableCodes.has(error.code)
}
