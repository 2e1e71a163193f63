import type { AbortOptions, ConnectionProtector, MultiaddrConnection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, byteStream, type SendResult } from '@libp2p/utils'
import type { Clock } from '../clock.ts'
import { within } from '../deadline.ts'
import type { Random } from '../random.ts'
import { giveBack, handOver } from '../spent-memory.ts'
import { SentMemory, UnderWay } from './sent-memory.ts'
import { liftLimit } from './websocket-limits.ts'
import { XSalsa20 } from './xsalsa20.ts'

/** A connection, in the eyes of the private network's cipher. */
type Connection = MultiaddrConnection & Pick<AbstractMultiaddrConnection, 'log'> & {
  /** The runtime's TCP socket; other transports have none. */
  readonly socket?: { readonly writableLength?: unknown }
}
/** What it is made for: a list of pieces that belong together. */
type Pieces = Parameters<AbstractMultiaddrConnection['sendData']>[0]

export interface PrivateNetworkOptions {
  /** 32 bytes that all members share. */
  readonly secret: Uint8Array
  readonly clock: Clock
  readonly random: Random
  /** Told of each connection whose other end does not have the secret, as what came from it shows, or its silent end suggests. */
  readonly onStranger: (address: string, isCertain: boolean) => void
}

const nonceBytes = 24
/** A TCP connection whose other end sends no nonce is given up after this. */
const nonceTimeoutMs = 10_000
/** What every member sends first below the cipher (multistream-select 1.0). */
const greeting = Buffer.from('\u0013/multistream/1.0.0\n')

/**
 * The private network of libp2p (specs/pnet/Private-Networks-PSK-V1.md): each side sends a nonce,
 * all that follows is encrypted with XSalsa20. Who has another secret shows in the first bytes: the
 * connection then ends at once, and with a reason, instead of failing some way in the next layer.
 */
export function privateNetwork (options: PrivateNetworkOptions): () => ConnectionProtector {
  const memory = new SentMemory()
  return () => ({ protect: (connection, abort) => protect(connection as Connection, options, memory, abort) })
}

async function protect (connection: Connection, options: PrivateNetworkOptions, memory: SentMemory, abort: AbortOptions = {}): Promise<MultiaddrConnection> {
  const localNonce = options.random.bytes(nonceBytes)
  const bytes = byteStream(connection)
  const [nonce] = await within(options.clock, nonceTimeoutMs, abort, limited => Promise.all([bytes.read({ bytes: nonceBytes, ...limited }), bytes.write(localNonce, limited)]))
  bytes.unwrap()
  return new PrivateConnection(connection, options, memory, localNonce, nonce.subarray())
}

class PrivateConnection extends AbstractMultiaddrConnection {
  readonly #connection: Connection
  readonly #inbound: XSalsa20
  readonly #outbound: XSalsa20
  readonly #onStranger: PrivateNetworkOptions['onStranger']
  /** Undefined when nobody tells what has gone out. */
  readonly #underWay: UnderWay | undefined
  #greeted = 0

  constructor (connection: Connection, { secret, onStranger }: PrivateNetworkOptions, memory: SentMemory, localNonce: Uint8Array, remoteNonce: Uint8Array) {
    super({ remoteAddr: connection.remoteAddr, direction: connection.direction, log: connection.log })
    this.#connection = connection
    this.#inbound = new XSalsa20(secret, remoteNonce)
    this.#outbound = new XSalsa20(secret, localNonce)
    this.#onStranger = onStranger
    const { socket } = connection
    if (typeof socket?.writableLength === 'number') this.#underWay = new UnderWay(memory, () => (socket.writableLength as number) + connection.writeBufferLength)
    connection.addEventListener('message', ({ data }) => {
      for (const piece of data instanceof Uint8Array ? [data] : data) this.#decrypt(piece)
    })
    connection.addEventListener('drain', () => { this.onMuxerDrain() })
    connection.addEventListener('close', ({ error, local }) => {
      // Who dials speaks first: the other end hangs up when it does not understand. This end may have no use for the connection any more.
      if (this.#greeted === 0 && this.direction === 'outbound' && local !== true) onStranger(this.remoteAddr.toString(), false)
      if (error === undefined) this.onTransportClosed()
      else if (local) this.abort(error)
      else this.onRemoteReset()
    })
  }

  override sendData (pieces: Pieces): SendResult {
    const encrypted = this.#underWay?.take(pieces.byteLength) ?? Buffer.allocUnsafeSlow(pieces.byteLength)
    let at = 0
    for (const piece of pieces) {
      const { length } = piece
      this.#outbound.update(piece, encrypted, at)
      giveBack(piece, 'sending')
      at += length
    }
    return { sentBytes: at, canSendMore: this.#connection.send(encrypted) }
  }

  override sendReset (error: Error): void { this.#connection.abort(error) }
  override sendPause (): void { this.#connection.pause() }
  override sendResume (): void { this.#connection.resume() }
  override async sendClose (options?: AbortOptions): Promise<void> { await this.#connection.close(options) }

  /** In place: what comes from the socket belongs to nobody else. */
  #decrypt (piece: Uint8Array): void {
    this.#inbound.update(piece, piece)
    if (piece.length === piece.buffer.byteLength) handOver(piece, 'decryption')
    if (this.#greeted < greeting.length && !this.#isGreeting(piece)) {
      this.#onStranger(this.remoteAddr.toString(), true)
      this.abort(new Error('the other side has another cluster secret'))
      return
    }
    this.onData(piece)
  }

  #isGreeting (piece: Uint8Array): boolean {
    const length = Math.min(piece.length, greeting.length - this.#greeted)
    const expected = greeting.subarray(this.#greeted, this.#greeted + length)
    this.#greeted += length
    if (!expected.equals(piece.subarray(0, length))) return false
    if (this.#greeted === greeting.length) liftLimit(this.#connection)
    return true
  }
}
