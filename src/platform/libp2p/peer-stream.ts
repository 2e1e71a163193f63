import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { PeerStream } from '../network.ts'
import { paceWindow } from './stream-window.ts'
import { UnreadPieces } from './unread-pieces.ts'

/** Bytes that wait for the reader before the other side has to wait too; it may have a window's worth on the way. */
const maxUnreadBytes = 256 * 1024

/**
 * A stream of libp2p as the cluster's code sees it. libp2p's own iterator misses a half-close that
 * came before it was started, and its own wait for room returns at once from the second time on
 * (spec/wire.md 6.6): here its events are read directly.
 */
export function peerStream (stream: Stream, peer: PeerId): PeerStream {
  return new Libp2pPeerStream(stream, peer)
}

/** False when it has ended, of which it tells no more. */
export function isOpen ({ status }: Stream): boolean { return status === 'open' || status === 'closing' }

class Libp2pPeerStream implements PeerStream {
  readonly peer: PeerId
  readonly incoming: AsyncIterable<Uint8Array>
  readonly #stream: Stream
  readonly #controller = new AbortController()
  readonly #unread = new UnreadPieces()
  readonly #onTaken: (() => void) | undefined
  #isWriteClosed = false
  #remoteHasEnded: boolean
  #readFailure: ClusterError | undefined
  #writeFailure: ClusterError | undefined
  #wakeReader: (() => void) | undefined
  readonly #writers: Array<() => void> = []

  constructor (stream: Stream, peer: PeerId) {
    this.peer = peer
    this.#stream = stream
    this.incoming = { [Symbol.asyncIterator]: () => this.#read() }
    // Both may have happened before anybody could listen.
    this.#remoteHasEnded = stream.remoteWriteStatus === 'closed'
    this.#onTaken = paceWindow(stream, () => this.#unread.bytes <= maxUnreadBytes)
    if (!isOpen(stream)) this.#connectionLost(undefined)
    stream.addEventListener('close', event => { this.#onClose(event) })
    stream.addEventListener('remoteCloseWrite', () => { this.#remoteHasEnded = true; this.#wake() })
    stream.addEventListener('end', () => { this.#wake() })
    stream.addEventListener('drain', () => { this.#wakeWriters() })
    stream.addEventListener('message', event => { this.#onMessage(event) })
  }

  get signal (): AbortSignal { return this.#controller.signal }

  async write (bytes: Uint8Array): Promise<void> {
    this.#checkWritable()
    if (this.#isWriteClosed) throw new ClusterError('CANCELLED', 'the stream is closed for writing')
    try {
      this.#stream.send(bytes)
    } catch (error) {
      throw this.#writeFailure ?? new ClusterError('CANCELLED', `the stream cannot be written: ${errorText(error)}`, { cause: error })
    }
    while (this.#stream.writableNeedsDrain && this.#writeFailure === undefined) await new Promise<void>(resolve => { this.#writers.push(resolve) })
    this.#checkWritable()
  }

  async closeWrite (): Promise<void> {
    this.#checkWritable()
    if (this.#isWriteClosed) return
    this.#isWriteClosed = true
    try {
      await this.#stream.close()
    } catch (error) {
      throw this.#writeFailure ?? new ClusterError('CANCELLED', `the stream cannot be closed: ${errorText(error)}`, { cause: error })
    }
  }

  reset (): void {
    if (this.#isOver()) return
    this.#fail(new ClusterError('CANCELLED', 'the stream was reset'))
    this.#stream.abort(new Error('reset by this peer'))
  }

  async * #read (): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#readFailure !== undefined) throw this.#readFailure
      const chunk = this.#take()
      if (chunk !== undefined) yield chunk
      else if (this.#remoteHasEnded && this.#stream.readBufferLength === 0) return
      else await new Promise<void>(resolve => { this.#wakeReader = resolve })
    }
  }

  #take (): Uint8Array | undefined {
    const chunk = this.#unread.take()
    if (chunk !== undefined && this.#stream.status === 'open') this.#onTaken?.()
    return chunk
  }

  #onMessage ({ data }: StreamMessageEvent): void {
    for (const chunk of data instanceof Uint8Array ? [data] : data) this.#unread.add(chunk)
    this.#wake()
  }

  #onClose ({ error, local }: StreamCloseEvent): void {
    if (error === undefined || local) this.#connectionLost(error)
    else this.#fail(new ClusterError('CANCELLED', 'the stream was reset by the other side', { cause: error }))
  }

  /** Not so when both sides had ended in order. What the other side has sent to its end can still be read. */
  #connectionLost (cause: Error | undefined): void {
    if (this.#isOver()) return
    const failure = new ClusterError('PEER_UNREACHABLE', `the connection to ${this.peer} is lost`, { cause })
    if (this.#remoteHasEnded) this.#failWriting(failure)
    else this.#fail(failure)
  }

  #fail (failure: ClusterError): void {
    if (this.#readFailure !== undefined) return
    this.#readFailure = failure
    this.#unread.clear()
    this.#failWriting(failure)
  }

  #failWriting (failure: ClusterError): void {
    this.#writeFailure ??= failure
    this.#controller.abort(failure)
    this.#wake()
    this.#wakeWriters()
  }

  #isOver (): boolean {
    return this.#writeFailure !== undefined || (this.#isWriteClosed && this.#remoteHasEnded)
  }

  #checkWritable (): void {
    if (this.#writeFailure !== undefined) throw this.#writeFailure
  }

  #wake (): void {
    const wake = this.#wakeReader
    this.#wakeReader = undefined
    wake?.()
  }

  #wakeWriters (): void {
    for (const wake of this.#writers.splice(0)) wake()
  }
}
