import { invalidData } from '../codec/json.ts'
import type { ServiceId } from '../codec/peer-messages.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerStream } from '../platform/network.ts'
import { traced } from '../platform/tracer.ts'
import { callIsOver, refusalFor, requestMs, type AnyHandler, type CallContext } from './call-context.ts'
import type { CallLimits } from './call-limits.ts'
import { decodeCallFrame, isCarried, maxCallFrameBytes, maxCarriedBytes, writeFailure, writeReply } from './channel-frames.ts'
import { FrameSender } from './frame-sender.ts'
import { decodeValue, ValueReader } from './framing.ts'
import { lookUp, methods, type UnaryMethod } from './methods.ts'
import { isUnreadable, permittedMethod, Refusal } from './permission.ts'
import { StreamWatch } from './stream-watch.ts'

/**
 * The calls that another peer makes over one stream. Each is answered when its answer is there,
 * whatever the others do; while much waits to be sent, no further calls are read.
 */
export class ServedChannel {
  readonly #stream: PeerStream
  readonly #context: CallContext
  readonly #limits: CallLimits
  readonly #watch: StreamWatch
  readonly #reader: ValueReader
  readonly #sender: FrameSender
  /** What ends each call that is being answered. */
  readonly #running = new Map<number, AbortController>()
  #lastNumber = 0

  constructor (stream: PeerStream, context: CallContext, limits: CallLimits) {
    this.#stream = stream
    this.#context = context
    this.#limits = limits
    this.#watch = new StreamWatch(stream, context.clock)
    this.#reader = new ValueReader(stream, context.partial)
    this.#sender = new FrameSender(stream, this.#watch, context.clock)
  }

  /** Ends the channel and whatever works for its calls. */
  cancel (reason: ClusterError): void {
    for (const gone of this.#running.values()) gone.abort(reason)
    this.#watch.fail(reason)
  }

  /** Answers calls until the channel ends. Never rejects. */
  async run (): Promise<void> {
    try {
      while (await this.#next()) await this.#sender.room()
    } catch (error) {
      this.#tellOfFailure(this.#watch.failure ?? error)
    } finally {
      this.cancel(new ClusterError('CANCELLED', 'the caller has gone away'))
      this.#reader.release()
    }
  }

  /** Takes a frame; false at the end. */
  async #next (): Promise<boolean> {
    const bytes = await this.#value(maxCallFrameBytes, false)
    if (bytes === undefined) return false
    const { number, serviceId } = decodeCallFrame(bytes)
    if (serviceId === undefined) {
      this.#running.get(number)?.abort(new ClusterError('CANCELLED', 'the caller has given up'))
      return true
    }
    if (number <= this.#lastNumber) throw invalidData('the numbers of calls do not rise')
    this.#lastNumber = number
    const request = await this.#value(maxRequestBytes(serviceId), true)
    if (request === undefined) throw invalidData('the stream ends within a call')
    this.#take(number, serviceId, request)
    return true
  }

  /** The next value; undefined at the end. A channel may be silent for as long as it likes, but not within a call. */
  async #value (maxBytes: number, isWithinCall: boolean): Promise<Uint8Array | undefined> {
    const value = this.#reader.take(maxBytes)
    if (value !== undefined) return value
    if (!isWithinCall && this.#reader.pendingBytes === 0 && !await this.#reader.fill()) return undefined
    return this.#reader.take(maxBytes) ?? await this.#watch.wait(this.#reader.next(maxBytes), requestMs, `half a call has come, and no more for ${requestMs / 1000} seconds`)
  }

  #take (number: number, serviceId: ServiceId, request: Uint8Array): void {
    const { refused, senders } = this.#context
    const reason = this.#limits.enter(this.#stream.peer)
    if (reason !== undefined) {
      refused.add(1)
      senders.warn(this.#stream.peer, 'calls of a peer are refused', reason)
      this.#sender.add(writer => { writeFailure(writer, number, new Refusal(reason, 1)) })
      return
    }
    const gone = new AbortController()
    this.#running.set(number, gone)
    void this.#answer(number, serviceId, request, gone).finally(() => {
      this.#running.delete(number)
      this.#limits.leave(this.#stream.peer)
      gone.abort(callIsOver)
    })
  }

  async #answer (number: number, serviceId: ServiceId, bytes: Uint8Array, gone: AbortController): Promise<void> {
    const { isTrusted, tracer, handlers, answered } = this.#context
    const { peer } = this.#stream
    try {
      const name = permittedMethod(serviceId, () => isTrusted(peer))
      if (!isCarried(methods[name])) throw new Refusal(`${serviceId.service}.${serviceId.method} needs a stream of its own`, 1)
      const method = methods[name] as UnaryMethod<unknown, unknown>
      const request = this.#request(method, bytes)
      const reply = await traced(tracer, `${serviceId.service}.${serviceId.method}`, { kind: 'server', attributes: { peer } }, async () => (handlers[name] as AnyHandler)(request, { caller: peer, signal: gone.signal }))
      if (gone.signal.aborted) return
      this.#sender.add(writer => { writeReply(writer, number, method.reply, reply) })
      answered.add(1)
    } catch (error) {
      // Nobody waits for what was given up.
      if (gone.signal.aborted) return
      const refusal = error instanceof UnreadableRequest ? error : refusalFor(this.#context, peer, serviceId, error)
      this.#sender.add(writer => { writeFailure(writer, number, refusal) })
    }
  }

  #request (method: UnaryMethod<unknown, unknown>, bytes: Uint8Array): unknown {
    try {
      return decodeValue(method.request, bytes)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      const refusal = new UnreadableRequest(`msgpack decode error [pos ${this.#reader.position}]: ${errorText(error)}`, 1)
      this.#tellOfUnreadable(refusal.message)
      throw refusal
    }
  }

  #tellOfFailure (error: unknown): void {
    const { peer } = this.#stream
    if (isUnreadable(error)) this.#tellOfUnreadable(errorText(error))
    else if (error instanceof ClusterError && error.code === 'TIMED_OUT') this.#context.senders.warn(peer, 'a channel for calls was given up', error.message)
    else this.#context.logger.debug({ peer }, `a channel for calls has ended: ${errorText(error)}`)
  }

  #tellOfUnreadable (what: string): void {
    this.#context.unreadable.add(1)
    this.#context.senders.warn(this.#stream.peer, 'a call of a peer could not be read', what)
  }
}

/** Counted and told where it was found. */
class UnreadableRequest extends Refusal {}

/** What a request may have; as much as any where the method is unknown, so that its caller can be told. */
function maxRequestBytes ({ service, method }: ServiceId): number {
  const found = lookUp(service, method)
  return typeof found === 'object' && isCarried(methods[found.name]) ? methods[found.name].request.maxBytes : maxCarriedBytes
}
