import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { PeerStream } from '../platform/network.ts'
import { never, type PeerClock } from './peer-clock.ts'

/** Bytes on their way before a writer has to wait. */
const windowBytes = 64 * 1024

/** Brings something to one end of a connection, in order; drops it when the connection is lost. */
export type Carry = (arrive: () => void) => void

/** One end of a stream, as the network that carries it sees it. */
export interface SimulatedEnd {
  readonly stream: PeerStream
  /** Both directions have ended in order, or it was reset. */
  readonly isOver: boolean
  /** The connection is lost. */
  lose (): void
}

/** One direction: written at one end, read at the other when it has arrived. */
class Direction {
  readonly #carry: Carry
  readonly #carryBack: Carry
  readonly #arrived: Uint8Array[] = []
  #underWay = 0
  #isEndRead = false
  #readers: Array<() => void> = []
  #writers: Array<() => void> = []
  #readerFailure: ClusterError | undefined
  #writerFailure: ClusterError | undefined
  /** The writer has written all. */
  isClosing = false
  /** That has arrived. */
  isClosed = false

  constructor (carry: Carry, carryBack: Carry) {
    this.#carry = carry
    this.#carryBack = carryBack
  }

  async write (bytes: Uint8Array): Promise<void> {
    if (this.#writerFailure !== undefined) throw this.#writerFailure
    if (this.isClosing) throw new ClusterError('CANCELLED', 'the stream is closed for writing')
    this.#underWay += bytes.length
    const copy = new Uint8Array(bytes)
    this.#carry(() => {
      this.#arrived.push(copy)
      wake(this.#readers)
    })
    while (this.#underWay > windowBytes && this.#writerFailure === undefined) await new Promise<void>(resolve => { this.#writers.push(resolve) })
    if (this.#writerFailure !== undefined) throw this.#writerFailure
  }

  close (): void {
    if (this.isClosing) return
    this.isClosing = true
    this.#carry(() => {
      this.isClosed = true
      wake(this.#readers)
    })
  }

  async * read (): AsyncGenerator<Uint8Array> {
    while (!this.#isEndRead) {
      if (this.#readerFailure !== undefined) throw this.#readerFailure
      const chunk = this.#arrived.shift()
      if (chunk !== undefined) {
        this.#carryBack(() => {
          this.#underWay -= chunk.length
          wake(this.#writers)
        })
        yield chunk
      } else if (this.isClosed) this.#isEndRead = true
      else await new Promise<void>(resolve => { this.#readers.push(resolve) })
    }
  }

  failReader (failure: ClusterError): void {
    this.#readerFailure ??= failure
    wake(this.#readers)
  }

  failWriter (failure: ClusterError): void {
    this.#writerFailure ??= failure
    wake(this.#writers)
  }
}

export interface StreamPeer { readonly self: PeerId, readonly clock: PeerClock }

/** Both ends of a stream between two processes; `toFar` and `toNear` bring things to each. */
export function simulatedStream (near: StreamPeer, far: StreamPeer, toFar: Carry, toNear: Carry): { near: SimulatedEnd, far: SimulatedEnd } {
  const there = new Direction(toFar, toNear)
  const back = new Direction(toNear, toFar)
  const nearEnd: End = new End(near.clock, far.self, there, back, toFar, () => { farEnd.fail(wasReset()) })
  const farEnd: End = new End(far.clock, near.self, back, there, toNear, () => { nearEnd.fail(wasReset()) })
  return { near: nearEnd, far: farEnd }
}

class End implements SimulatedEnd {
  readonly stream: PeerStream
  readonly #peer: PeerId
  readonly #out: Direction
  readonly #into: Direction
  readonly #controller = new AbortController()
  #failed = false

  constructor (clock: PeerClock, peer: PeerId, out: Direction, into: Direction, carry: Carry, resetOther: () => void) {
    this.#peer = peer
    this.#out = out
    this.#into = into
    this.stream = {
      peer,
      incoming: into.read(),
      write: bytes => clock.isDead ? never : out.write(bytes),
      closeWrite: async () => { if (!this.#failed) out.close() },
      reset: () => {
        if (this.isOver) return
        this.fail(wasReset())
        carry(resetOther)
      },
      signal: this.#controller.signal,
    }
  }

  get isOver (): boolean { return this.#failed || (this.#out.isClosing && this.#into.isClosed) }

  lose (): void { this.fail(new ClusterError('PEER_UNREACHABLE', `the connection to ${this.#peer} is lost`)) }

  fail (failure: ClusterError): void {
    if (this.isOver) return
    this.#failed = true
    this.#out.failWriter(failure)
    this.#into.failReader(failure)
    this.#controller.abort(failure)
  }
}

function wasReset (): ClusterError { return new ClusterError('CANCELLED', 'the stream was reset') }

function wake (waiting: Array<() => void>): void { for (const resume of waiting.splice(0)) resume() }
