import type { ReplyHeader } from '../codec/peer-messages.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { rpcProtocol } from '../domain/version.ts'
import type { Clock } from '../platform/clock.ts'
import type { Network, PeerStream } from '../platform/network.ts'
import { decodeReplyHeader, decodeValue, maxReplyHeaderBytes, serviceIdCall, ValueReader, ValueWriter } from './framing.ts'
import type { CallValue, StreamMethod, UnaryMethod } from './methods.ts'
import { maxOpenMs, openStream } from './open-stream.ts'
import { StreamWatch } from './stream-watch.ts'

/** After the answer the other peer has only to close its side. */
const lingerMs = 10_000
/** What may follow an answer, and is thrown away. */
const maxSurplusBytes = 64 * 1024

export interface CallName { readonly service: string, readonly method: string }
/** A stream with what reads and writes it. */
interface OpenCall { readonly stream: PeerStream, readonly watch: StreamWatch, readonly reader: ValueReader, readonly writer: ValueWriter }

/** One call to another peer. Its errors are raw: {@link RpcClient} says what they mean. */
export class MadeCall {
  readonly #network: Network
  readonly #clock: Clock
  readonly #peer: PeerId
  readonly #name: CallName
  readonly #signal: AbortSignal | undefined
  readonly #abort = (): void => { this.#fail(this.#signal?.reason) }
  readonly #opening = new AbortController()
  #open: OpenCall | undefined
  #isOver = false
  #isOrdered = false
  #isAllSent = false
  /** The last header without an error: those of one stream are all alike. */
  #plainHeader: Uint8Array | undefined
  /** True between a header and its reply. */
  #isWithinReply = false
  /** The error that the other peer has answered. */
  answer: ReplyHeader | undefined
  #failure: unknown

  constructor (network: Network, clock: Clock, peer: PeerId, name: CallName, signal: AbortSignal | undefined) {
    this.#network = network
    this.#clock = clock
    this.#peer = peer
    this.#name = name
    this.#signal = signal
  }

  /** Why this side has given the call up; undefined when it has not. */
  get failure (): unknown { return this.#failure ?? this.#open?.watch.failure }

  get isOrdered (): boolean { return this.#isOrdered }

  async one<Request, Reply> (method: UnaryMethod<Request, Reply>, request: Request): Promise<Reply> {
    const cancelTimer = this.#clock.after(method.timeoutMs, () => { this.#fail(this.#late(method.timeoutMs)) })
    try {
      const { stream, watch, reader, writer } = await this.#start(method.timeoutMs)
      this.#add(writer, method.request, request)
      await writer.send()
      const reply = await this.#nextReply(reader, method.reply)
      if (reply === undefined) throw this.#brokenOff()
      this.#isOver = true
      void finish(stream, watch, reader)
      return reply.value
    } finally {
      cancelTimer()
    }
  }

  async * many<Request, Reply> (method: StreamMethod<Request, Reply>, requests: Iterable<Request> | AsyncIterable<Request>): AsyncGenerator<Reply[]> {
    const { watch, reader, stream } = await this.#start(method.firstReplyMs)
    let isSending = true
    let sendError: unknown
    const sending = this.#sendAll(method, requests).catch((error: unknown) => { sendError = error }).finally(() => { isSending = false })
    let waitMs = method.firstReplyMs
    for (;;) {
      const batch = this.#repliesAtHand(reader, method.reply)
      if (batch.length > 0) {
        waitMs = method.nextReplyMs
        yield batch
      }
      if (this.answer !== undefined) throw new ClusterError('PEER_ANSWER', this.answer.error)
      const filling = reader.fill()
      // While requests are on their way the other peer owes nothing but to take them.
      if (isSending) await Promise.race([filling, sending])
      if (!await watch.wait(filling, waitMs, lateText(this.#peer, this.#name, waitMs))) break
    }
    if (this.#isWithinReply || !this.#isAllSent) throw this.#brokenOff()
    await sending
    if (sendError !== undefined) throw sendError
    this.#isOver = true
    void finish(stream, watch, reader)
  }

  /** Ends what is still open. To be called when the call is over, in whatever way. */
  end (): void {
    this.#signal?.removeEventListener('abort', this.#abort)
    if (!this.#isOver) this.#open?.stream.reset()
    this.#isOver = true
  }

  async #start (timeoutMs: number): Promise<OpenCall> {
    this.#signal?.throwIfAborted()
    this.#signal?.addEventListener('abort', this.#abort, { once: true })
    const openMs = Math.min(timeoutMs, maxOpenMs)
    const stream = await openStream({ network: this.#network, clock: this.#clock, peer: this.#peer, protocol: rpcProtocol, opening: this.#opening, timeoutMs: openMs, late: () => this.#late(openMs) })
    return this.#open = { stream, watch: new StreamWatch(stream, this.#clock), reader: new ValueReader(stream), writer: new ValueWriter(stream) }
  }

  async #sendAll<Request, Reply> (method: StreamMethod<Request, Reply>, requests: Iterable<Request> | AsyncIterable<Request>): Promise<void> {
    const { stream, watch, writer } = this.#open as OpenCall
    const send = (): Promise<void> => watch.wait(writer.send(), method.nextReplyMs, `${this.#peer} has taken nothing for ${method.nextReplyMs / 1000} seconds`)
    writer.add(serviceIdCall, this.#name)
    try {
      // The first request may take minutes, and the other peer does not wait so long for the name of a call.
      if (method.isPrompt === true) await send()
      let isFirst = true
      for await (const request of requests) {
        writer.add(method.request, request)
        // The other peer learns at once what the call is, however long the next request takes.
        if (writer.isFull || isFirst || method.isPrompt === true) await send()
        if (this.#isOver) return
        isFirst = false
      }
    } catch (error) {
      if (!stream.signal.aborted) this.#fail(error)
      throw error
    }
    await send()
    this.#isAllSent = true
    await stream.closeWrite()
  }

  #add<Request> (writer: ValueWriter, codec: CallValue<Request>, request: Request): void {
    try {
      writer.add(serviceIdCall, this.#name)
      writer.add(codec, request)
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /** A reply, in a box because nothing is a reply too; undefined at the end. */
  async #nextReply<Reply> (reader: ValueReader, codec: CallValue<Reply>): Promise<{ readonly value: Reply } | undefined> {
    const header = await reader.next(maxReplyHeaderBytes)
    if (header === undefined) return undefined
    this.#readHeader(header)
    const reply = await reader.next(codec.maxBytes)
    if (this.answer !== undefined) throw new ClusterError('PEER_ANSWER', this.answer.error)
    return reply === undefined ? undefined : { value: decodeValue(codec, reply) }
  }

  /** All replies that have come; those before an error count. */
  #repliesAtHand<Reply> (reader: ValueReader, codec: CallValue<Reply>): Reply[] {
    const replies: Reply[] = []
    while (this.answer === undefined) {
      if (!this.#isWithinReply) {
        const header = reader.take(maxReplyHeaderBytes)
        if (header === undefined) break
        this.#readHeader(header)
        this.#isWithinReply = true
      }
      if (this.answer !== undefined) break
      const reply = reader.take(codec.maxBytes)
      if (reply === undefined) break
      this.#isWithinReply = false
      replies.push(decodeValue(codec, reply))
    }
    return replies
  }

  #readHeader (bytes: Uint8Array): void {
    if (this.#plainHeader !== undefined && sameBytes(this.#plainHeader, bytes)) return
    const header = decodeReplyHeader(bytes)
    if (header.error !== '' || header.errorType !== 0) this.answer = header
    else {
      this.#plainHeader = bytes.slice()
      this.#isOrdered = header.isOrdered
    }
  }

  #fail (reason: unknown): void {
    this.#failure ??= reason
    this.#opening.abort(reason)
    this.#open?.watch.fail(reason)
  }

  #late (timeoutMs: number): ClusterError {
    return new ClusterError('TIMED_OUT', lateText(this.#peer, this.#name, timeoutMs))
  }

  #brokenOff (): ClusterError {
    return new ClusterError('PEER_UNREACHABLE', `peer ${this.#peer} ended ${this.#name.service}.${this.#name.method} without an answer`)
  }
}

/** What is said of a call that took too long. */
export function lateText (peer: PeerId, { service, method }: CallName, timeoutMs: number): string {
  return `peer ${peer} did not answer ${service}.${method} within ${timeoutMs / 1000} seconds`
}

/** Closes this side when the answer is there, not before (spec/wire.md 5), and waits for the other for a moment. Never rejects. */
async function finish (stream: PeerStream, watch: StreamWatch, reader: ValueReader): Promise<void> {
  try {
    await watch.wait(stream.closeWrite(), lingerMs, 'the other peer takes nothing')
    await watch.wait(reader.drain(maxSurplusBytes), lingerMs, 'the other peer does not close its side')
  } catch {
    stream.reset()
  }
}

function sameBytes (a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
