import type { Connection, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import { isRelayed } from './addresses.ts'

/** So long an address is tried alone: most that work at all answer sooner, and one connection is enough. */
const headStartMs = 150
/** As the reference: so many attempts at a time for a peer that anybody may have named. */
export const maxDialsPerStranger = 8
/** As the reference: so long direct connections are tried alone. */
const relayDelayMs = 500

/** What is to be dialled: libp2p adds to `multiaddrs` what others who want the same peer know. */
interface Job { readonly peerId?: unknown, readonly multiaddrs: Set<string> }

/** What libp2p (3.3) keeps to itself. */
interface Insides {
  readonly connectionManager: { readonly dialQueue: DialQueue }
  readonly transportManager: { dial (address: Multiaddr, options: object): Promise<Connection> }
}
interface DialQueue {
  readonly maxPeerAddrsToDial: number
  /** Time for one address to answer, in milliseconds. */
  readonly addressDialTimeout: number
  /** The addresses that can be dialled, in the order in which to do it; names of sets of addresses (`/dnsaddr`) are looked up. */
  calculateMultiaddrs (peerId: unknown, addresses: Set<string>, options: object): Promise<Array<{ readonly multiaddr: Multiaddr }>>
  dialPeer (job: Job, signal: AbortSignal): Promise<Connection>
}

/**
 * Has the host dial the addresses of a peer beside each other, `maxAtOnce` at a time. libp2p tries one after the other, and
 * one that swallows packets, such as that of a network the peer is in and this one is not, takes all
 * the time that there is: a peer was not reached while such an address came first.
 */
export function dialInParallel (host: Pick<Libp2p, 'peerStore'>, clock: Clock, maxAtOnce = Infinity): void {
  const { components } = host as unknown as { readonly components: Insides }
  const { connectionManager: { dialQueue } } = components
  dialQueue.dialPeer = async (job, signal) => {
    const connection = await new PeerDial(components, clock, job, signal, maxAtOnce).run()
    // The peer need not know itself that it is reached there. What the record cannot take is no reason to fail.
    await host.peerStore.merge(connection.remotePeer, { multiaddrs: [connection.remoteAddr] }).catch(() => {})
    return connection
  }
}

/**
 * Dials the addresses of one peer in the same way beside all other dials to it, which the host's own
 * would join. @throws what went wrong with the address, or an AggregateError; `TimeoutError` with the signal
 */
export async function dialApart (host: Pick<Libp2p, 'peerStore'>, clock: Clock, addresses: readonly Multiaddr[], signal: AbortSignal): Promise<Connection> {
  const { components } = host as unknown as { readonly components: Insides }
  return new PeerDial(components, clock, { multiaddrs: new Set(addresses.map(address => address.toString())) }, signal, Infinity).run()
}

class PeerDial {
  readonly #insides: Insides
  readonly #clock: Clock
  readonly #job: Job
  readonly #signal: AbortSignal
  readonly #maxAtOnce: number
  /** Each ends an attempt that is under way. A connection that stands may still listen to its own. */
  readonly #underWay = new Set<AbortController>()
  readonly #known = new Set<string>()
  readonly #waiting: Multiaddr[] = []
  readonly #failures: unknown[] = []
  #connection: Connection | undefined
  #wake: (() => void) | undefined

  constructor (insides: Insides, clock: Clock, job: Job, signal: AbortSignal, maxAtOnce: number) {
    this.#insides = insides
    this.#clock = clock
    this.#job = job
    this.#signal = signal
    this.#maxAtOnce = maxAtOnce
  }

  async run (): Promise<Connection> {
    const abort = (): void => { this.#end(this.#signal.reason) }
    this.#signal.addEventListener('abort', abort, { once: true })
    try {
      await this.#lookUp()
      for (;;) {
        if (this.#job.multiaddrs.size > 0) await this.#lookUp()
        if (this.#connection !== undefined) return this.#connection
        if (this.#signal.aborted) throw new DOMException('no address has answered in time', 'TimeoutError')
        const next = this.#underWay.size < this.#maxAtOnce ? this.#waiting.shift() : undefined
        if (next !== undefined) this.#start(next)
        else if (this.#underWay.size === 0 && this.#job.multiaddrs.size === 0) throw this.#failure()
        if (this.#underWay.size > 0) await this.#rest()
      }
    } finally {
      this.#signal.removeEventListener('abort', abort)
      this.#end(new Error('another address has answered'))
    }
  }

  #end (reason: unknown): void {
    for (const attempt of this.#underWay) attempt.abort(reason)
  }

  /** Takes in what is to be dialled; with no address at all those that are known of the peer. Others of them may work when some are of no use. */
  async #lookUp (): Promise<void> {
    const addresses = new Set(this.#job.multiaddrs)
    this.#job.multiaddrs.clear()
    const { dialQueue } = this.#insides.connectionManager
    const found = await dialQueue.calculateMultiaddrs(this.#job.peerId, addresses, { ...this.#job, signal: this.#signal }).catch((error: unknown) => {
      this.#failures.push(error)
      return []
    })
    for (const { multiaddr } of found) {
      if (this.#known.has(multiaddr.toString()) || this.#known.size >= dialQueue.maxPeerAddrsToDial) continue
      this.#known.add(multiaddr.toString())
      this.#waiting.push(multiaddr)
    }
  }

  #start (address: Multiaddr): void {
    const attempt = new AbortController()
    this.#underWay.add(attempt)
    // Others may be waiting for its place, and of those who wait for the peer one may have set no limit.
    const cancel = this.#clock.after(this.#insides.connectionManager.dialQueue.addressDialTimeout, () => {
      attempt.abort(new DOMException(`${address.toString()} has not answered in time`, 'TimeoutError'))
    })
    const ended = (): void => {
      cancel()
      this.#underWay.delete(attempt)
      this.#wake?.()
    }
    this.#insides.transportManager.dial(address, { ...this.#job, signal: attempt.signal }).then(connection => {
      this.#connection ??= connection
      ended()
    }, (error: unknown) => {
      this.#failures.push(attempt.signal.aborted ? attempt.signal.reason : error)
      ended()
    })
  }

  /** Until an attempt has ended, or it is time for the next. */
  async #rest (): Promise<void> {
    const [next] = this.#waiting
    let cancel: (() => void) | undefined
    await new Promise<void>(resolve => {
      this.#wake = resolve
      cancel = this.#clock.after(next !== undefined && isRelayed(next.toString()) ? relayDelayMs : headStartMs, resolve)
    })
    cancel?.()
  }

  #failure (): unknown {
    const [first] = this.#failures
    return this.#failures.length === 1 ? first : new AggregateError(this.#failures, 'no address of the peer could be dialled')
  }
}
