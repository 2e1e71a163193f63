import { MsgpackWriter } from '../codec/msgpack.ts'
import type { Clock } from '../platform/clock.ts'
import type { PeerStream } from '../platform/network.ts'
import { writeMs } from './call-context.ts'
import type { StreamWatch } from './stream-watch.ts'

/** Bytes that wait to be written above which {@link FrameSender.room} waits. */
const maxUnsentBytes = 1024 * 1024

/** Sends frames in the order in which they are added, all those of one turn of the event loop together. */
export class FrameSender {
  readonly #stream: PeerStream
  readonly #watch: StreamWatch
  readonly #clock: Clock
  readonly #writer = new MsgpackWriter()
  readonly #waiting: Array<() => void> = []
  #isSending = false
  #sendingBytes = 0

  constructor (stream: PeerStream, watch: StreamWatch, clock: Clock) {
    this.#stream = stream
    this.#watch = watch
    this.#clock = clock
  }

  /** Adds a frame; one whose writing throws leaves nothing behind. */
  add (write: (writer: MsgpackWriter) => void): void {
    const before = this.#writer.sizeBytes
    try {
      write(this.#writer)
    } catch (error) {
      this.#writer.rewind(before)
      throw error
    }
    if (this.#isSending) return
    this.#isSending = true
    this.#clock.soon(() => { void this.#send() })
  }

  /** Resolves when little enough waits to be sent, or the stream is over. */
  async room (): Promise<void> {
    while (this.#writer.sizeBytes + this.#sendingBytes > maxUnsentBytes && this.#watch.failure === undefined && !this.#stream.signal.aborted) {
      await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    }
  }

  async #send (): Promise<void> {
    try {
      while (this.#writer.sizeBytes > 0) {
        this.#sendingBytes = this.#writer.sizeBytes
        await this.#watch.wait(this.#stream.write(this.#writer.detach()), writeMs, `the other peer has taken nothing for ${writeMs / 1000} seconds`)
        this.#sendingBytes = 0
        for (const wake of this.#waiting.splice(0)) wake()
      }
      this.#isSending = false
    } catch (error) {
      // Nothing is sent any more; whoever reads the stream learns of its end.
      this.#watch.fail(error)
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }
}
