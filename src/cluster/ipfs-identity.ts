import { errorText } from '../domain/errors.ts'
import type { IpfsId } from '../domain/peer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { unlessAborted } from './deadline.ts'

/** How long an answer of the node is taken as true: status lines and pings need it all the time. */
const freshMs = 5_000

/**
 * Who our IPFS node is. Keeps the last good answer for what may be a little old (statuses,
 * pings) and asks again, once for all callers, for what must be new.
 */
export class IpfsIdentity {
  readonly #ipfs: IpfsConnector
  readonly #clock: Clock
  #known: IpfsId = { id: undefined, addresses: null, error: '' }
  #askedAt = -Infinity
  #asking: Promise<IpfsId> | undefined

  constructor (ipfs: IpfsConnector, clock: Clock) {
    this.#ipfs = ipfs
    this.#clock = clock
  }

  /** The last good answer; asks for a new one behind the scenes when it is old. */
  last (): IpfsId {
    if (this.#clock.monotonic() - this.#askedAt > freshMs) this.ask({}).catch(() => {})
    return this.#known
  }

  /** The node's answer now; its error as part of the answer. */
  async now (options: CallOptions): Promise<IpfsId> {
    try {
      return await this.ask(options)
    } catch (error) {
      return { id: undefined, addresses: null, error: errorText(error) }
    }
  }

  /** @throws ClusterError of the connector */
  ask (options: CallOptions): Promise<IpfsId> {
    this.#askedAt = this.#clock.monotonic()
    this.#asking ??= this.#ipfs.id().then(id => this.#known = id).finally(() => { this.#asking = undefined })
    return unlessAborted(this.#asking, options)
  }
}
