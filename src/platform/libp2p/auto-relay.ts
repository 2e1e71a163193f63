import type { Libp2p, PeerId } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import { isRelayed } from './addresses.ts'
import type { IsOfInternet, OutsideComponents } from './outside-components.ts'
import { hopProtocol } from './relay-hop.ts'

/** What libp2p's relay client keeps: it renews reservations itself and forgets those whose connection ends. */
export interface Reservations {
  addRelay (relay: PeerId, type: 'configured'): Promise<unknown>
  hasReservation (relay: PeerId): boolean
  addEventListener (type: 'relay:created-reservation' | 'relay:removed', listener: (event: CustomEvent<Reserved>) => void): void
}
interface Reserved { readonly relay: PeerId, readonly details: { readonly reservation: { readonly addrs: Uint8Array[] } } }

export interface AutoRelayOptions {
  readonly components: OutsideComponents
  readonly reservations: Reservations
  readonly clock: Clock
  readonly isOfInternet: IsOfInternet
}

/** As the reference: two relays, so that one may go. */
const wantedRelays = 2
/** How often it is looked for relays while there are too few. */
const lookEveryMs = 30_000
/** A relay says itself where it is: what it makes up is announced no further than this. */
const maxAddressesPerRelay = 8
/** A relay that refused, most often because it is full, is left alone for so long. */
const refusedForMs = 10 * 60_000

/**
 * Keeps slots at relays while this peer cannot be reached, and announces the addresses by which it
 * is reached through them. Relays are the connected peers that offer it: all are members of the
 * cluster, to which this peer is connected anyway.
 */
export class AutoRelay {
  readonly #options: AutoRelayOptions
  readonly #relays = new Map<string, readonly Multiaddr[]>()
  readonly #refusedAt = new Map<string, number>()
  #isWanted = false
  #isLooking = false
  #cancelTimer: (() => void) | undefined
  readonly #onIdentify = ({ detail: { protocols } }: { readonly detail: { readonly protocols: string[] } }): void => {
    if (this.#isWanted && protocols.includes(hopProtocol)) void this.#look()
  }

  constructor (options: AutoRelayOptions) {
    this.#options = options
    options.reservations.addEventListener('relay:created-reservation', ({ detail }) => { this.#reserved(detail) })
    options.reservations.addEventListener('relay:removed', ({ detail }) => { this.#removed(detail.relay) })
  }

  start (): void { (this.#options.components.events as Libp2p).addEventListener('peer:identify', this.#onIdentify) }

  stop (): void {
    this.#isWanted = false
    this.#cancelTimer?.()
    ;(this.#options.components.events as Libp2p).removeEventListener('peer:identify', this.#onIdentify)
  }

  /** True while this peer cannot be reached otherwise. Slots that are not wanted any more run out; their addresses are not announced. */
  set isWanted (isWanted: boolean) {
    this.#isWanted = isWanted
    if (isWanted) {
      for (const addresses of this.#relays.values()) this.#announce(addresses)
      void this.#look()
      return
    }
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    for (const addresses of this.#relays.values()) this.#withdraw(addresses)
  }

  isRelay (peer: PeerId): boolean { return this.#relays.has(peer.toString()) }

  async #look (): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      for (const relay of await this.#candidates()) {
        if (!this.#isWanted || this.#relays.size >= wantedRelays) break
        await this.#reserve(relay)
      }
    } finally {
      this.#isLooking = false
    }
    this.#cancelTimer?.()
    this.#cancelTimer = this.#isWanted ? this.#options.clock.after(lookEveryMs, () => { void this.#look() }) : undefined
  }

  async #candidates (): Promise<PeerId[]> {
    const { components, clock, isOfInternet } = this.#options
    for (const [relay, at] of this.#refusedAt) if (clock.monotonic() - at >= refusedForMs) this.#refusedAt.delete(relay)
    const found = new Map<string, PeerId>()
    for (const { remotePeer, remoteAddr, limits, status } of components.connectionManager.getConnections()) {
      const key = remotePeer.toString()
      if (status !== 'open' || limits !== undefined || !isOfInternet(remoteAddr.toString()) || this.#relays.has(key) || this.#refusedAt.has(key)) continue
      const peer = await components.peerStore.get(remotePeer).catch(() => undefined)
      if (peer?.protocols.includes(hopProtocol) === true) found.set(key, remotePeer)
    }
    return [...found.values()]
  }

  async #reserve (relay: PeerId): Promise<void> {
    try {
      await this.#options.reservations.addRelay(relay, 'configured')
    } catch {
      // One that went away is asked again when it comes back.
      if (this.#options.components.connectionManager.getConnections(relay).some(({ status }) => status === 'open')) this.#refusedAt.set(relay.toString(), this.#options.clock.monotonic())
    }
  }

  #reserved ({ relay, details }: Reserved): void {
    const key = relay.toString()
    this.#withdraw(this.#relays.get(key) ?? [])
    const all = details.reservation.addrs.map(bytes => multiaddr(bytes)).filter(address => {
      const text = address.toString()
      return text.endsWith(`/p2p/${key}`) && !isRelayed(text)
    })
    const ofInternet = all.filter(address => this.#options.isOfInternet(address.toString()))
    // Relays also tell their addresses in networks that others are not in.
    const addresses = (ofInternet.length > 0 ? ofInternet : all).slice(0, maxAddressesPerRelay).map(address => address.encapsulate('/p2p-circuit'))
    this.#relays.set(key, addresses)
    if (this.#isWanted) this.#announce(addresses)
  }

  #removed (relay: PeerId): void {
    const addresses = this.#relays.get(relay.toString())
    if (addresses === undefined) return
    this.#relays.delete(relay.toString())
    this.#withdraw(addresses)
    if (this.#isWanted) void this.#look()
  }

  #announce (addresses: readonly Multiaddr[]): void {
    for (const address of addresses) this.#options.components.addressManager.confirmObservedAddr(address, { type: 'observed' })
  }

  #withdraw (addresses: readonly Multiaddr[]): void {
    for (const address of addresses) this.#options.components.addressManager.removeObservedAddr(address)
  }
}
