import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Clock } from './clock.ts'
import type { PeerStream } from './network.ts'

/** Bytes on their way before a writer has to wait. */
const windowBytes = 256 * 1024

/** A stream that knows when it is over. */
export interface MemoryStream extends PeerStream {
  /** Resolves when both directions have ended, in whatever way. */
  readonly ended: Promise<void>
}

/** One direction of a stream: written at one end, read at the other, one turn of the clock later. */
class Direction {
  readonly #clock: Clock
  readonly #chunks: Uint8Array[] = []
  #bytes = 0
  #isClosed = false
  #wake: Array<() => void> = []
  failure: ClusterError | undefined

  constructor (clock: Clock) { this.#clock = clock }

  async write (bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    if (this.#isClosed) throw new ClusterError('CANCELLED', 'the stream is closed for writing')
    this.#bytes += bytes.length
    this.#clock.soon(() => { this.#chunks.push(bytes.slice()); this.change() })
    while (this.#bytes > windowBytes && this.failure === undefined) await this.#changed()
    if (this.failure !== undefined) throw this.failure
  }

  close (): void { this.#clock.soon(() => { this.#isClosed = true; this.change() }) }

  change (): void { for (const wake of this.#wake.splice(0)) wake() }

  async * read (): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#bytes -= chunk.length
        this.change()
        yield chunk
      } else if (this.#isClosed) return
      else await this.#changed()
    }
  }

  #changed (): Promise<void> { return new Promise(resolve => { this.#wake.push(resolve) }) }
}

/** Both ends of a new stream between two peers. */
export function memoryStreams (near: PeerId, far: PeerId, clock: Clock): [MemoryStream, MemoryStream] {
  const there = new Direction(clock)
  const back = new Direction(clock)
  const controller = new AbortController()
  const ended = Promise.withResolvers<void>()
  let closed = 0
  const end = (): void => { if (++closed === 2) clock.soon(() => { ended.resolve() }) }
  const reset = (): void => {
    if (closed >= 2) return
    const failure = new ClusterError('CANCELLED', 'the stream was reset')
    for (const direction of [there, back]) {
      direction.failure = failure
      direction.change()
    }
    controller.abort(failure)
    ended.resolve()
  }
  const side = (peer: PeerId, out: Direction, into: Direction): MemoryStream => {
    let isClosed = false
    return {
      peer,
      incoming: into.read(),
      write: bytes => out.write(bytes),
      async closeWrite () {
        if (isClosed) return
        isClosed = true
        out.close()
        end()
      },
      reset,
      signal: controller.signal,
      ended: ended.promise,
    }
  }
  return [side(far, there, back), side(near, back, there)]
}
