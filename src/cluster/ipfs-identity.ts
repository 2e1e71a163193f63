import { ClusterError, errorText } from '../domain/errors.ts'
import type { IpfsId } from '../domain/peer.ts'
import type { PeerPinStatus } from '../domain/status.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { unlessAborted, within } from '../platform/deadline.ts'
import { isPublic } from './ping.ts'

/** How long an answer of the node is taken as true: status lines and pings need it all the time. */
const freshMs = 5_000
/** Others wait 15 s for what a peer says of itself: a node that hangs must not make its peer look dead. */
const answerMs = 5_000
/** A request without an answer for so long is given up: the next one may find the node well. */
const requestMs = 15_000

/** What is told of our IPFS node with each status. */
export type ToldIdentity = Pick<PeerPinStatus, 'ipfsPeerId' | 'ipfsPeerAddresses'>

/**
 * Who our IPFS node is. Keeps the last good answer for what may be a little old (statuses,
 * pings) and asks again, once for all callers, for what must be new.
 */
export class IpfsIdentity {
  readonly #ipfs: IpfsConnector
  readonly #clock: Clock
  #known: IpfsId = { id: undefined, addresses: null, error: '' }
  #told: ToldIdentity = { ipfsPeerId: undefined, ipfsPeerAddresses: null }
  #askedAt = -Infinity
  #asking: Promise<IpfsId> | undefined
  /** Why the node did not answer when it was asked last; undefined when it did. */
  #failure: string | undefined

  constructor (ipfs: IpfsConnector, clock: Clock) {
    this.#ipfs = ipfs
    this.#clock = clock
  }

  /** The last good answer; asks for a new one behind the scenes when it is old. */
  last (): IpfsId {
    if (this.#clock.monotonic() - this.#askedAt > freshMs) this.ask({}).catch(() => {})
    return this.#known
  }

  /** What statuses tell of the {@link last} good answer, as pings do: addresses only that others can reach. The same object as long as nothing of it changes. */
  told (): ToldIdentity {
    this.last()
    return this.#told
  }

  /** The node's answer now; its error as part of the answer, also that it does not come. */
  async now (options: CallOptions): Promise<IpfsId> {
    try {
      return await within(this.#clock, answerMs, options, limited => this.ask(limited))
    } catch (error) {
      options.signal?.throwIfAborted()
      const isLate = error instanceof ClusterError && error.code === 'TIMED_OUT'
      const reason = isLate ? this.#failure ?? `the IPFS node has not answered within ${answerMs / 1_000} s` : errorText(error)
      return { id: undefined, addresses: null, error: reason }
    }
  }

  /** @throws ClusterError of the connector */
  ask (options: CallOptions): Promise<IpfsId> {
    this.#askedAt = this.#clock.monotonic()
    this.#asking ??= this.#askNode().finally(() => { this.#asking = undefined })
    return unlessAborted(this.#asking, options.signal)
  }

  async #askNode (): Promise<IpfsId> {
    try {
      this.#known = await within(this.#clock, requestMs, {}, limited => this.#ipfs.id(limited))
      this.#failure = undefined
      this.#told = toldOf(this.#known, this.#told)
      return this.#known
    } catch (error) {
      this.#failure = errorText(error)
      throw error
    }
  }
}

function toldOf ({ id, addresses }: IpfsId, before: ToldIdentity): ToldIdentity {
  const reachable = (addresses ?? []).filter(isPublic)
  const isSame = id === before.ipfsPeerId && reachable.join() === (before.ipfsPeerAddresses ?? []).join()
  return isSame ? before : { ipfsPeerId: id, ipfsPeerAddresses: reachable.length === 0 ? null : reachable }
}
