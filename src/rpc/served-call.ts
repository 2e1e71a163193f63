import { ClusterError, errorText } from '../domain/errors.ts'
import type { ServiceId } from '../codec/peer-messages.ts'
import type { PeerStream } from '../platform/network.ts'
import { traced } from '../platform/tracer.ts'
import { callIsOver, refusalFor, requestMs, writeMs, type AnyHandler, type CallContext } from './call-context.ts'
import { decodeServiceId, decodeValue, encodeReplyHeader, serviceIdCall, ValueReader, ValueWriter } from './framing.ts'
import { methods, type CallValue, type StreamMethod, type UnaryMethod } from './methods.ts'
import { isUnreadable, permittedMethod, Refusal } from './permission.ts'
import type { HandlerOptions } from './service-handlers.ts'
import { StreamWatch } from './stream-watch.ts'

/** Between two requests of a stream somebody may upload slowly. */
const nextRequestMs = 10 * 60_000
/** After the answer the caller has only to close its side. */
const lingerMs = 10_000
/** What may follow a request that is alone, and is thrown away. */
const maxSurplusBytes = 64 * 1024
/** What a caller may have on its way when its stream of requests is answered before its end. */
const maxUnreadBytes = 256 * 1024 * 1024

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
      const name = permittedMethod(id, () => this.#context.isTrusted(this.#stream.peer))
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
    const { senders, unreadable } = this.#context
    if (this.#watch.failure !== undefined || this.#stream.signal.aborted || this.#gone.signal.aborted) throw error
    if (this.#serviceId.service === '' && isUnreadable(error)) this.#unreadable = new Refusal(`error reading service ID: ${errorText(error)}`, 1)
    if (this.#unreadable !== undefined) {
      unreadable.add(1)
      senders.warn(this.#stream.peer, 'a call of a peer could not be read', this.#unreadable.message)
      return this.#unreadable
    }
    return refusalFor(this.#context, this.#stream.peer, this.#serviceId, error)
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
