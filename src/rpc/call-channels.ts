import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { Network } from '../platform/network.ts'
import { CallChannel } from './call-channel.ts'
import { callsProtocol, isCarried, type MethodSizes } from './channel-frames.ts'
import { maxOpenMs, openStream } from './open-stream.ts'

/** A peer whose channel has ended before it answered anything is called over streams for this time. */
const avoidMs = 60_000
/** Peers that are remembered to be avoided: more than any cluster has. */
const maxAvoided = 4_096

/** The channel to each peer that has told that it speaks {@link callsProtocol}: opened with the first call, and anew when it has ended. */
export class CallChannels {
  readonly #network: Network
  readonly #clock: Clock
  readonly #open = new Map<PeerId, CallChannel>()
  readonly #opening = new Map<PeerId, Promise<CallChannel>>()
  /** Until when, by the monotonic clock. */
  readonly #avoided = new Map<PeerId, number>()

  constructor (network: Network, clock: Clock) {
    this.#network = network
    this.#clock = clock
  }

  /** True when a call is to go over a channel. */
  carries (method: MethodSizes, peer: PeerId): boolean {
    if (!isCarried(method) || !this.#network.speaks(peer, callsProtocol)) return false
    return this.#clock.monotonic() >= (this.#avoided.get(peer) ?? 0)
  }

  /** The channel if it is open already. */
  openTo (peer: PeerId): CallChannel | undefined {
    const channel = this.#open.get(peer)
    return channel?.isOpen === true ? channel : undefined
  }

  /** @throws as `Network.open` */
  to (peer: PeerId): Promise<CallChannel> {
    const opening = this.#opening.get(peer) ?? this.#connect(peer).finally(() => { this.#opening.delete(peer) })
    this.#opening.set(peer, opening)
    return opening
  }

  async #connect (peer: PeerId): Promise<CallChannel> {
    const late = (): ClusterError => new ClusterError('TIMED_OUT', `peer ${peer} has opened no channel for calls within ${maxOpenMs / 1000} seconds`)
    const stream = await openStream({ network: this.#network, clock: this.#clock, peer, protocol: callsProtocol, opening: new AbortController(), timeoutMs: maxOpenMs, late })
    const channel = new CallChannel(stream, this.#clock)
    this.#open.set(peer, channel)
    void channel.run().then(() => { this.#ended(peer, channel) })
    return channel
  }

  #ended (peer: PeerId, channel: CallChannel): void {
    if (this.#open.get(peer) === channel) this.#open.delete(peer)
    if (channel.answers > 0) return
    if (this.#avoided.size >= maxAvoided) this.#avoided.clear()
    this.#avoided.set(peer, this.#clock.monotonic() + avoidMs)
  }
}
