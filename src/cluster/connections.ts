import { multiaddressPeer } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { sleep } from '../platform/clock.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import { shuffled } from '../platform/random.ts'
import { within } from '../platform/deadline.ts'

/** Peers to connect to at the start; the others are found through them (spec/components.md 1.1). */
const bootstrapCount = 3
/** How often more peers are connected to while there are few, in milliseconds (spec/components.md 1.2). */
const reconnectMs = 30_000
/** The same for a peer without any connection, in milliseconds: it is cut off. */
const aloneMs = 5_000
/** How often a configured peer is connected to, however many others there are, in milliseconds. */
const reconnectConfiguredMs = 5 * 60_000
/**
 * A peer that could not be reached is tried again after this part of the time for which it could not, at least once in
 * so many milliseconds. Never given up: halves of a cluster that were apart for days know no other way.
 */
const partBetweenTries = 1 / 10
const mostBetweenTriesMs = 3_600_000
/** Peers dialled at the same time. */
const dialsAtOnce = 8
/** Addresses of one peer that are tried: those that were told last. */
const maxAddresses = 16

export interface ConnectionsParts {
  readonly network: Network
  readonly settings: ConnectionSettings
  readonly platform: Platform
}

/** What connections take of the `cluster` section. */
export interface ConnectionSettings {
  readonly peerAddresses: readonly Multiaddress[]
  readonly dialPeerTimeoutMs: number
  readonly connectionManager: { readonly lowWater: number }
}

/** Since when a peer could not be reached, and when it is tried again; by the monotonic clock. */
interface Unreached { readonly since: number, readonly againAt: number }

/** Keeps this peer connected to others that it knows. */
export class Connections {
  readonly #parts: ConnectionsParts
  readonly #unreached = new Map<PeerId, Unreached>()

  constructor (parts: ConnectionsParts) { this.#parts = parts }

  /**
   * Takes the configured addresses and then the saved ones in, and connects to some of their peers in
   * this order. Answers with whom it worked.
   */
  async bootstrap (saved: readonly Multiaddress[], options: CallOptions): Promise<PeerId[]> {
    const { network, settings } = this.#parts
    const addresses = [...settings.peerAddresses, ...saved]
    await network.remember(addresses)
    const peers = addresses.map(multiaddressPeer).filter(peer => peer !== undefined)
    const [found, made] = await Promise.all([
      this.#connectUnnamed(addresses, options),
      this.connectSome([...new Set([...peers, ...network.knownPeers()])], bootstrapCount, options),
    ])
    return [...new Set([...found, ...made])]
  }

  /** Connects again to peers that were lost; ends with the signal. */
  async keep (signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#every(() => this.#parts.network.peers().length === 0 ? aloneMs : reconnectMs, signal, () => this.#reconnect({ signal })),
      this.#every(() => reconnectConfiguredMs, signal, () => this.#reconnectConfigured({ signal })),
    ])
  }

  /** In the given order until `count` new connections stand; answers them. */
  async connectSome (peers: readonly PeerId[], count: number, options: CallOptions): Promise<PeerId[]> {
    const { network } = this.#parts
    const connected = new Set(network.peers())
    const rest = peers.filter(peer => peer !== network.self && !connected.has(peer))[Symbol.iterator]()
    const made: PeerId[] = []
    let dialling = 0
    const dialler = async (): Promise<void> => {
      while (made.length + dialling < count) {
        const { done, value: peer } = rest.next()
        if (done === true || options.signal?.aborted === true) return
        dialling++
        const isMade = await this.#connect(peer, options)
        dialling--
        if (isMade) made.push(peer)
      }
    }
    await Promise.all(Array.from({ length: Math.min(dialsAtOnce, count) }, dialler))
    return made
  }

  async #every (intervalMs: () => number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#parts.platform.clock, intervalMs(), signal).catch(() => {})
      if (!signal.aborted) await work()
    }
  }

  /** In small clusters this holds all together; in large ones there are enough connections anyway. */
  async #reconnect (options: CallOptions): Promise<void> {
    const { network, settings, platform: { loggers } } = this.#parts
    // At the start there may have been no network, and so no name server, yet.
    if (network.peers().length === 0) await this.#connectUnnamed(settings.peerAddresses, options)
    const missing = settings.connectionManager.lowWater - network.peers().length
    if (missing <= 0) return
    for (const peer of await this.connectSome(this.#due(), missing, options)) loggers.component('cluster').info(`reconnected to ${peer}`)
  }

  /**
   * Whom to try now: those that were lost last before those that have not been reached for long. Whoever was
   * in the cluster once would else be dialled for ever, and the more of them there are the later the others.
   */
  #due (): PeerId[] {
    const { network, platform: { clock, random } } = this.#parts
    const known = network.knownPeers()
    const present = new Set(known)
    for (const peer of this.#unreached.keys()) if (!present.has(peer)) this.#unreached.delete(peer)
    for (const peer of network.peers()) this.#unreached.delete(peer)
    const peers = shuffled(random, known)
    // Nobody is reached: that is not for them to answer for.
    if (network.peers().length === 0) return peers
    const now = clock.monotonic()
    const since = (peer: PeerId): number => this.#unreached.get(peer)?.since ?? now
    return peers.filter(peer => now >= (this.#unreached.get(peer)?.againAt ?? 0)).toSorted((a, b) => since(b) - since(a))
  }

  #couldNotReach (peer: PeerId): void {
    const { network, platform: { clock } } = this.#parts
    if (network.peers().length === 0) return
    const now = clock.monotonic()
    const since = this.#unreached.get(peer)?.since ?? now
    this.#unreached.set(peer, { since, againAt: now + Math.min(mostBetweenTriesMs, (now - since) * partBetweenTries) })
  }

  /** Configured peers are honest: should all others conspire to mislead this one, it hears them all the same. */
  async #reconnectConfigured (options: CallOptions): Promise<void> {
    const { network, settings, platform: { loggers } } = this.#parts
    // What a peer says of itself, day after day, may have taken the place of what the operator has said.
    await network.remember(settings.peerAddresses)
    const configured = settings.peerAddresses.map(multiaddressPeer).filter(peer => peer !== undefined)
    for (const peer of await this.connectSome([...new Set(configured)], 1, options)) loggers.component('cluster').info(`reconnected to priority peer ${peer}`)
  }

  /** Addresses such as `/dnsaddr/…` tell their peers only when they are dialled. */
  async #connectUnnamed (addresses: readonly Multiaddress[], options: CallOptions): Promise<PeerId[]> {
    const { network, settings, platform: { clock, loggers } } = this.#parts
    const unnamed = addresses.filter(address => multiaddressPeer(address) === undefined).slice(0, bootstrapCount)
    const found = await Promise.all(unnamed.map(async address => {
      try {
        return await within(clock, settings.dialPeerTimeoutMs, options, limited => network.connect(address, limited))
      } catch {
        loggers.component('cluster').debug(`${address} could not be connected to`)
        return undefined
      }
    }))
    return found.filter(peer => peer !== undefined)
  }

  async #connect (peer: PeerId, options: CallOptions): Promise<boolean> {
    const { network, settings, platform: { clock, loggers } } = this.#parts
    const addresses = network.knownAddresses(peer).slice(-maxAddresses).toReversed()
    try {
      await within(clock, settings.dialPeerTimeoutMs, options, limited => Promise.any(addresses.map(address => network.connect(address, limited))))
      this.#unreached.delete(peer)
      return true
    } catch {
      if (options.signal?.aborted !== true) this.#couldNotReach(peer)
      loggers.component('cluster').debug({ peer }, `peer ${peer} could not be connected to`)
      return false
    }
  }
}
