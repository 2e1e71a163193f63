import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { frame, readFrames } from '../bitswap/frames.ts'
import type { Clock } from '../clock.ts'
import { within } from '../deadline.ts'
import { isRelayed, servedAddresses } from './addresses.ts'
import { autonatProtocol, decodeRequest, dialStatus, encodeAnswer, maxMessageBytes, type DialAnswer, type DialRequest } from './autonat-message.ts'
import type { IsOfInternet, OutsideComponents } from './outside-components.ts'
import { peerStream } from './peer-stream.ts'

export interface DialBackOptions {
  readonly components: OutsideComponents
  readonly clock: Clock
  readonly isOfInternet: IsOfInternet
}

/** As the reference: dials a minute, of one peer and of all together. */
const maxDialsPerPeer = 3
const maxDials = 30
const countedForMs = 60_000
/** As the reference. */
const dialTimeoutMs = 15_000
const requestTimeoutMs = 30_000
const maxStreamsPerPeer = 2

/**
 * Dials peers that ask for it, so that they learn whether they can be reached (AutoNAT 1, the
 * side that helps). Dialled is only the host from which the peer has connected. libp2p's own part
 * takes the connection that is there for the new one and closes it: with it a peer of the
 * reference on a public address lost its connection every two seconds.
 */
export class DialBack {
  readonly #options: DialBackOptions
  readonly #counts = new Map<PeerId, number>()
  #total = 0
  #countedSince = -Infinity

  constructor (options: DialBackOptions) { this.#options = options }

  async start (): Promise<void> {
    await this.#options.components.registrar.handle(autonatProtocol, (stream, connection) => { void this.#serve(stream, connection) }, { maxInboundStreams: maxStreamsPerPeer })
  }

  async stop (): Promise<void> { await this.#options.components.registrar.unhandle(autonatProtocol) }

  async #serve (stream: Stream, connection: Connection): Promise<void> {
    const served = peerStream(stream, connection.remotePeer.toString() as PeerId)
    const cancel = this.#options.clock.after(requestTimeoutMs, () => { served.reset() })
    try {
      for await (const message of readFrames(served.incoming, maxMessageBytes)) {
        await served.write(frame(encodeAnswer(await this.#answer(decodeRequest(message), connection))))
        break
      }
      await served.closeWrite()
    } catch {
      served.reset()
    } finally {
      cancel()
    }
  }

  async #answer (request: DialRequest | undefined, connection: Connection): Promise<DialAnswer> {
    const { components, isOfInternet } = this.#options
    const remote = connection.remoteAddr.toString()
    if (request === undefined) return answer(dialStatus.badRequest, 'missing peer info')
    if (request.peer !== undefined && request.peer !== connection.remotePeer.toString()) return answer(dialStatus.badRequest, 'peer id mismatch')
    const [host] = /^\/ip[46]\/[^/]+/.exec(remote) ?? []
    if (host === undefined || isRelayed(remote) || !isOfInternet(remote)) return answer(dialStatus.refused, 'refusing to dial peer with blocked observed address')
    // A dial from the same host says nothing of others.
    if (components.addressManager.getAddresses().some(own => own.toString().startsWith(`${host}/`))) return answer(dialStatus.refused, 'no dialable addresses')
    if (!this.#mayDial(connection.remotePeer.toString() as PeerId)) return answer(dialStatus.refused, 'too many dials')
    const addresses = new Set([remote, ...request.addresses].map(address => `${host}${address.replace(/^\/ip[46]\/[^/]+/, '').replace(/\/p2p\/[^/]+$/, '')}` as Multiaddress))
    const reached = await this.#dial(servedAddresses([...addresses]), connection)
    return reached === undefined ? answer(dialStatus.dialError, 'dial failed') : { status: dialStatus.ok, text: '', address: reached }
  }

  /** The address that was reached; undefined when none was. */
  async #dial (addresses: readonly Multiaddress[], { remotePeer }: Connection): Promise<Multiaddress | undefined> {
    const { components: { connectionManager }, clock } = this.#options
    const targets = addresses.map(address => multiaddr(`${address}/p2p/${remotePeer.toString()}`))
    try {
      const opened = await within(clock, dialTimeoutMs, {}, limited => connectionManager.openConnection(targets, { force: true, ...limited }))
      const reached = opened.remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '')
      opened.close().catch((error: Error) => { opened.abort(error) })
      return addresses.find(address => address === reached)
    } catch {
      return undefined
    }
  }

  #mayDial (peer: PeerId): boolean {
    const now = this.#options.clock.monotonic()
    if (now - this.#countedSince >= countedForMs) {
      this.#countedSince = now
      this.#counts.clear()
      this.#total = 0
    }
    const count = this.#counts.get(peer) ?? 0
    if (count >= maxDialsPerPeer || this.#total >= maxDials) return false
    this.#counts.set(peer, count + 1)
    this.#total++
    return true
  }
}

function answer (status: number, text: string): DialAnswer { return { status, text, address: undefined } }
