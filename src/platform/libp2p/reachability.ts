import type { Connection, IdentifyResult } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { frame, readFrames } from '../bitswap/frames.ts'
import type { Clock } from '../clock.ts'
import { within } from '../deadline.ts'
import type { Random } from '../random.ts'
import { isLoopback, isRelayed, servedAddresses } from './addresses.ts'
import { autonatProtocol, decodeAnswer, dialStatus, encodeRequest, maxMessageBytes, type DialAnswer } from './autonat-message.ts'
import type { IsOfInternet, OutsideComponents } from './outside-components.ts'
import { peerStream } from './peer-stream.ts'

export type Status = 'unknown' | 'public' | 'private'

export interface ReachabilityOptions {
  readonly components: OutsideComponents
  readonly clock: Clock
  readonly random: Random
  readonly isOfInternet: IsOfInternet
  /** Told of each change. */
  readonly onStatus: (status: Status) => void
}

/** As the reference: how soon others are asked when nothing is known, when little is, and when it is certain. */
const firstProbeMs = 2_000
const retryMs = 90_000
const refreshMs = 15 * 60_000
const askTimeoutMs = 30_000
/** So many answers of one kind make it certain: one other does not change it then. */
const maxConfidence = 3
/** A host has few addresses that others see: who is told more takes no more. */
const maxObserved = 10
/** One peer that makes up addresses leaves room for what others tell. */
const maxObservedByPeer = 2

/**
 * Learns whether peers of the Internet can reach this one: asks others to dial it (AutoNAT 1), and
 * hears from those that have dialled it where they found it. Where all peers are of one local
 * network nobody is asked, and it stays unknown. Addresses at which it was reached are announced.
 */
export class Reachability {
  readonly #options: ReachabilityOptions
  #status: Status = 'unknown'
  #confidence = 0
  /** Addresses at which others have reached this peer, each with the peer that told it. */
  readonly #observed = new Map<string, string>()
  readonly #askedAt = new Map<string, number>()
  #cancelTimer: (() => void) | undefined
  #isSoon = false
  #isStopped = false
  readonly #onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => { this.#identified(detail) }

  constructor (options: ReachabilityOptions) { this.#options = options }

  get status (): Status { return this.#status }

  start (): void { this.#options.components.events.addEventListener('peer:identify', this.#onIdentify) }

  stop (): void {
    this.#isStopped = true
    this.#cancelTimer?.()
    this.#options.components.events.removeEventListener('peer:identify', this.#onIdentify)
  }

  #identified ({ connection, protocols, observedAddr }: IdentifyResult): void {
    const observed = observedAddr?.toString().replace(/\/p2p\/[^/]+$/, '')
    // What a peer sees that was dialled from here is the address of an outgoing connection.
    if (connection.direction === 'inbound' && connection.limits === undefined && observed !== undefined) this.#reachedAt(observed as Multiaddress, connection)
    if (this.#status === 'unknown' && protocols.includes(autonatProtocol)) this.#schedule(firstProbeMs)
  }

  #reachedAt (address: Multiaddress, { remotePeer, remoteAddr }: Connection): void {
    const { components, isOfInternet } = this.#options
    const [served] = servedAddresses([address])
    if (served === undefined || isRelayed(served) || (isLoopback(served) && !isOfInternet(served))) return
    const isOwn = components.addressManager.getAddressesWithMetadata().some(({ multiaddr: own, type }) => type === 'transport' && own.toString() === served)
    if (!isOwn && this.#hasRoom(served, remotePeer.toString())) {
      this.#observed.set(served, remotePeer.toString())
      components.addressManager.confirmObservedAddr(multiaddr(served), { type: 'observed' })
    }
    // One of the same local network says nothing of those outside (as the reference).
    if (isOfInternet(served) && isOfInternet(remoteAddr.toString())) this.#learn('public')
  }

  #hasRoom (address: string, by: string): boolean {
    if (this.#observed.has(address)) return true
    return this.#observed.size < maxObserved && [...this.#observed.values()].filter(peer => peer === by).length < maxObservedByPeer
  }

  #schedule (delayMs: number): void {
    if (this.#isStopped || (this.#isSoon && delayMs >= firstProbeMs)) return
    this.#cancelTimer?.()
    this.#isSoon = delayMs <= firstProbeMs
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.#cancelTimer = undefined
      this.#isSoon = false
      void this.#probe()
    })
  }

  async #probe (): Promise<void> {
    const connection = await this.#whomToAsk()
    if (connection === undefined) {
      // Of those that come each is a reason to look again; of those that were asked, time.
      if (this.#askedAt.size > 0) this.#schedule(retryMs)
      return
    }
    this.#askedAt.set(connection.remotePeer.toString(), this.#options.clock.monotonic())
    const answer = await this.#ask(connection).catch(() => undefined)
    if (this.#isStopped) return
    if (answer?.status === dialStatus.ok) {
      if (answer.address !== undefined) this.#reachedAt(answer.address, connection)
      this.#learn('public')
    } else if (answer?.status === dialStatus.dialError) this.#learn('private')
    else {
      // It could not tell: the next one is asked.
      this.#schedule(firstProbeMs)
      return
    }
    this.#schedule(this.#status === 'unknown' || this.#confidence < maxConfidence ? retryMs : refreshMs)
  }

  async #whomToAsk (): Promise<Connection | undefined> {
    const { components, clock, random, isOfInternet } = this.#options
    const now = clock.monotonic()
    for (const [peer, at] of this.#askedAt) if (now - at >= retryMs) this.#askedAt.delete(peer)
    const candidates: Connection[] = []
    for (const connection of components.connectionManager.getConnections()) {
      const { remotePeer, remoteAddr, limits } = connection
      if (limits !== undefined || !isOfInternet(remoteAddr.toString()) || this.#askedAt.has(remotePeer.toString())) continue
      const peer = await components.peerStore.get(remotePeer).catch(() => undefined)
      if (peer?.protocols.includes(autonatProtocol) === true && connection.status === 'open') candidates.push(connection)
    }
    return candidates.length === 0 ? undefined : candidates[random.integer(candidates.length)]
  }

  async #ask (connection: Connection): Promise<DialAnswer | undefined> {
    const { components, clock } = this.#options
    const stream = peerStream(await within(clock, askTimeoutMs, {}, limited => connection.newStream([autonatProtocol], limited)), connection.remotePeer.toString() as PeerId)
    const cancel = clock.after(askTimeoutMs, () => { stream.reset() })
    try {
      const own = components.addressManager.getAddressesWithMetadata().map(({ multiaddr: address }) => address.toString() as Multiaddress)
      await stream.write(frame(encodeRequest({ peer: components.peerId.toString() as PeerId, addresses: servedAddresses(own) })))
      for await (const message of readFrames(stream.incoming, maxMessageBytes)) return decodeAnswer(message)
      return undefined
    } finally {
      cancel()
      stream.reset()
    }
  }

  #learn (status: 'public' | 'private'): void {
    if (status === this.#status) {
      this.#confidence = Math.min(maxConfidence, this.#confidence + 1)
      return
    }
    // To have been reached is certain; not to have been may have been the other's fault.
    if (status === 'private' && this.#confidence > 0) {
      this.#confidence--
      return
    }
    this.#status = status
    this.#confidence = 0
    if (status === 'private') this.#forgetObserved()
    this.#options.onStatus(status)
  }

  #forgetObserved (): void {
    for (const address of this.#observed.keys()) {
      if (!this.#options.isOfInternet(address)) continue
      this.#observed.delete(address)
      this.#options.components.addressManager.removeObservedAddr(multiaddr(address))
    }
  }
}
