import { invalidData } from '../codec/json.ts'
import type { ReplyHeader, ServiceId } from '../codec/peer-messages.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { PeerStream } from '../platform/network.ts'
import { decodeAnswerFrame, maxAnswerFrameBytes, maxCallNumber, maxCarriedBytes, writeCall, writeCancel } from './channel-frames.ts'
import { FrameSender } from './frame-sender.ts'
import { decodeValue, ValueReader } from './framing.ts'
import type { CallValue } from './methods.ts'
import { StreamWatch } from './stream-watch.ts'

/** A call that waits for its answer. One of these is called, once, unless it is cancelled before. */
export interface WaitingCall {
  readonly reply: Pick<CallValue<unknown>, 'read' | 'maxBytes'>
  readonly answered: (reply: unknown) => void
  /** The other peer has answered with an error. */
  readonly refused: (failure: ReplyHeader) => void
  readonly failed: (error: unknown) => void
}

/** One stream to another peer that carries many calls, as long as it lasts. */
export class CallChannel {
  readonly #stream: PeerStream
  readonly #watch: StreamWatch
  readonly #reader: ValueReader
  readonly #sender: FrameSender
  readonly #waiting = new Map<number, WaitingCall>()
  #lastNumber = 0
  #answers = 0
  #isRetired = false

  constructor (stream: PeerStream, clock: Clock) {
    this.#stream = stream
    this.#watch = new StreamWatch(stream, clock)
    this.#reader = new ValueReader(stream)
    this.#sender = new FrameSender(stream, this.#watch, clock)
  }

  /** False when it takes no more calls. */
  get isOpen (): boolean { return !this.#isRetired && this.#lastNumber < maxCallNumber }

  /** How many answers have come: a peer that answers nothing at all is worth a new channel. */
  get answers (): number { return this.#answers }

  /** Brings answers to their calls until the channel ends. Never rejects. */
  async run (): Promise<void> {
    let failure: unknown
    try {
      while (await this.#next());
      failure = new ClusterError('CANCELLED', 'the other peer has closed the channel')
    } catch (error) {
      failure = this.#watch.failure ?? error
    }
    this.#isRetired = true
    this.#stream.reset()
    for (const call of this.#waiting.values()) call.failed(failure)
    this.#waiting.clear()
  }

  /** Sends a call; returns its number. @throws what encoding the request throws */
  send<Request> (method: ServiceId & { readonly request: CallValue<Request> }, request: Request, call: WaitingCall): number {
    const number = this.#lastNumber + 1
    this.#sender.add(writer => { writeCall(writer, number, method, method.request, request) })
    this.#lastNumber = number
    this.#waiting.set(number, call)
    return number
  }

  /** Tells the other peer that nobody waits any more. */
  cancel (number: number): void {
    if (!this.#waiting.delete(number)) return
    this.#sender.add(writer => { writeCancel(writer, number) })
    this.#endIfUnused()
  }

  /** Takes no more calls and ends with the last of those that wait. */
  retire (): void {
    this.#isRetired = true
    this.#endIfUnused()
  }

  #endIfUnused (): void {
    if (this.#isRetired && this.#waiting.size === 0) this.#stream.reset()
  }

  /** Takes an answer; false at the end. */
  async #next (): Promise<boolean> {
    const bytes = await this.#reader.next(maxAnswerFrameBytes)
    if (bytes === undefined) return false
    const { number, failure } = decodeAnswerFrame(bytes)
    if (number > this.#lastNumber) throw invalidData('an answer to a call that was not made')
    this.#answers++
    const waiting = this.#waiting.get(number)
    const reply = failure === undefined ? await this.#reader.next(waiting?.reply.maxBytes ?? maxCarriedBytes) : undefined
    if (failure === undefined && reply === undefined) throw invalidData('the stream ends within an answer')
    // It may have been given up meanwhile.
    const call = this.#waiting.get(number)
    if (call === undefined) return true
    this.#waiting.delete(number)
    if (failure !== undefined) call.refused(failure)
    else this.#deliver(call, reply as Uint8Array)
    this.#endIfUnused()
    return true
  }

  #deliver (call: WaitingCall, bytes: Uint8Array): void {
    let reply: unknown
    try {
      reply = decodeValue(call.reply, bytes)
    } catch (error) {
      call.failed(error)
      return
    }
    call.answered(reply)
  }
}
