import type { Connection, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { sleep, type Clock } from '../clock.ts'
import { unlessAborted, within } from '../deadline.ts'
import { isRelayed, readAddress } from './addresses.ts'
import type { Dht } from './dht.ts'
import type { KnownPeers } from './known-peers.ts'
import { dialApart } from './parallel-dials.ts'

export interface PeerDiallerOptions {
  readonly host: Libp2p
  readonly known: KnownPeers
  /** Asked where a peer is when nothing that is known leads to it. */
  readonly dht: Pick<Dht, 'findPeer'>
  readonly clock: Clock
  /** For each of: the addresses that are known, finding others, those through a relay. */
  readonly timeoutMs: number
}

/** As the reference: so long a direct connection is tried alone. */
const relayDelayMs = 500
/**
 * Direct addresses that are tried: those that were told last. libp2p leaves out what is above its own
 * bound by the kind of address, and so, beside the public ones of a month, the one in the local network.
 */
const maxDirect = 16

/**
 * Connects to peers, each by one attempt for all that wait for it. Addresses that swallow packets, as
 * those behind a router do, take all the time that there is: the peer's relays are tried beside them.
 * What is known may be old, or from before the peer had a relay: others are asked then.
 */
export class PeerDialler {
  readonly #options: PeerDiallerOptions
  readonly #attempts = new Map<PeerId, Promise<Connection>>()
  readonly #stopping = new AbortController()

  constructor (options: PeerDiallerOptions) { this.#options = options }

  stop (): void { this.#stopping.abort() }

  /** @throws what libp2p throws, or the signal's reason */
  async dial (peer: PeerId, signal: AbortSignal | undefined): Promise<Connection> {
    let attempt = this.#attempts.get(peer)
    if (attempt === undefined) {
      attempt = this.#connect(peer).finally(() => { this.#attempts.delete(peer) })
      this.#attempts.set(peer, attempt)
    }
    return unlessAborted(attempt, signal)
  }

  async #connect (peer: PeerId): Promise<Connection> {
    // A peer that has moved is found where it was seen last.
    const latest = this.#options.known.addresses(peer).toReversed()
    const direct = latest.filter(address => !isRelayed(address)).slice(0, maxDirect)
    const addresses = [...direct, ...latest.filter(isRelayed)]
    if (direct.length === 0) return this.#otherwise(peer, addresses)
    const firstEnded = new AbortController()
    let isConnected = false
    const first = this.#directly(direct).then(connection => {
      isConnected = true
      return connection
    }).finally(() => { firstEnded.abort() })
    const second = async (): Promise<Connection> => {
      await sleep(this.#options.clock, relayDelayMs, firstEnded.signal).catch(() => {})
      return isConnected ? first : this.#otherwise(peer, addresses)
    }
    // Why the direct connection failed says most.
    return Promise.any([first, second()]).catch(() => first)
  }

  /** Through the relays that are known, else at addresses that other peers know. */
  async #otherwise (peer: PeerId, tried: readonly Multiaddress[]): Promise<Connection> {
    const relayed = tried.filter(isRelayed)
    if (relayed.length > 0) {
      try {
        return await this.#throughRelay(relayed)
      } catch {
        // Its relays may have changed.
      }
    }
    const found = (await this.#find(peer)).filter(address => !tried.includes(address))
    const direct = found.filter(address => !isRelayed(address))
    const attempts = [
      ...(direct.length > 0 ? [this.#directly(direct)] : []),
      ...(direct.length < found.length ? [this.#throughRelay(found.filter(isRelayed))] : []),
    ]
    return Promise.any(attempts)
  }

  async #find (peer: PeerId): Promise<Multiaddress[]> {
    const { peerIdFromString } = await import('@libp2p/peer-id')
    const { multiaddrs } = await this.#within(limited => this.#options.dht.findPeer(peerIdFromString(peer), limited))
    return multiaddrs.flatMap(address => {
      const text = address.toString()
      const found = readAddress(text.endsWith(`/p2p/${peer}`) ? text : `${text}/p2p/${peer}`)
      return found !== undefined && this.#options.known.add(found, false) === peer ? found : []
    })
  }

  async #directly (addresses: readonly Multiaddress[]): Promise<Connection> {
    const targets = await parsed(addresses)
    return this.#within(limited => this.#options.host.dial(targets, limited))
  }

  async #throughRelay (addresses: readonly Multiaddress[]): Promise<Connection> {
    const { host, clock } = this.#options
    const targets = await parsed(addresses)
    return this.#within(({ signal }) => dialApart(host, clock, targets, signal))
  }

  #within<T> (work: (options: { readonly signal: AbortSignal }) => Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options
    return within(clock, timeoutMs, { signal: this.#stopping.signal }, work)
  }
}

async function parsed (addresses: readonly Multiaddress[]): Promise<Multiaddr[]> {
  const { multiaddr } = await import('@multiformats/multiaddr')
  return addresses.map(address => multiaddr(address))
}
