import type { ReplyHeader } from '../codec/peer-messages.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallChannel } from './call-channel.ts'
import type { CallChannels } from './call-channels.ts'
import { lateText, type CallName } from './made-call.ts'
import type { UnaryMethod } from './methods.ts'

/** One call over the channel to another peer; otherwise like `MadeCall`. */
export class ChannelCall {
  readonly #channels: CallChannels
  readonly #clock: Clock
  readonly #peer: PeerId
  readonly #signal: AbortSignal | undefined
  readonly #abort = (): void => { this.#fail(this.#signal?.reason) }
  #reject: ((error: unknown) => void) | undefined
  #sent: { readonly channel: CallChannel, readonly number: number, readonly answersBefore: number } | undefined
  #isOver = false
  /** The error that the other peer has answered. */
  answer: ReplyHeader | undefined
  /** Why this side has given the call up; undefined when it has not. */
  failure: unknown

  constructor (channels: CallChannels, clock: Clock, peer: PeerId, signal: AbortSignal | undefined) {
    this.#channels = channels
    this.#clock = clock
    this.#peer = peer
    this.#signal = signal
  }

  async one<Request, Reply> (method: UnaryMethod<Request, Reply>, request: Request): Promise<Reply> {
    this.#signal?.throwIfAborted()
    const cancelTimer = this.#clock.after(method.timeoutMs, () => { this.#late(method) })
    this.#signal?.addEventListener('abort', this.#abort, { once: true })
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.#reject = reject
        const open = this.#channels.openTo(this.#peer)
        if (open !== undefined) this.#send(open, method, request, resolve)
        else this.#channels.to(this.#peer).then(channel => { this.#send(channel, method, request, resolve) }).catch(reject)
      })
    } finally {
      cancelTimer()
      this.#signal?.removeEventListener('abort', this.#abort)
    }
  }

  /** To be called when the call is over, in whatever way. */
  end (): void {
    this.#isOver = true
    this.#sent?.channel.cancel(this.#sent.number)
  }

  #send<Request, Reply> (channel: CallChannel, method: UnaryMethod<Request, Reply>, request: Request, resolve: (reply: Reply) => void): void {
    if (this.#isOver) return
    if (!channel.isOpen) {
      this.#reject?.(new ClusterError('CANCELLED', 'the other peer has closed the channel'))
      return
    }
    const answersBefore = channel.answers
    try {
      const number = channel.send(method, request, {
        reply: method.reply,
        answered: reply => { resolve(reply as Reply) },
        refused: failure => {
          this.answer = failure
          this.#reject?.(new ClusterError('PEER_ANSWER', failure.error))
        },
        failed: error => { this.#reject?.(error) },
      })
      this.#sent = { channel, number, answersBefore }
    } catch (error) {
      this.#fail(error)
    }
  }

  #late (method: CallName & { readonly timeoutMs: number }): void {
    // Not an answer to any call for all that time: another stream may do better.
    if (this.#sent !== undefined && this.#sent.channel.answers === this.#sent.answersBefore) this.#sent.channel.retire()
    this.#fail(new ClusterError('TIMED_OUT', lateText(this.#peer, method, method.timeoutMs)))
  }

  #fail (reason: unknown): void {
    this.failure ??= reason
    this.end()
    this.#reject?.(reason)
  }
}
