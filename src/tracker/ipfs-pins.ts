import type { Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import type { IpfsConnector, IpfsPin } from '../ipfs/connector.ts'
import { HangWatch } from '../ipfs/hang-watch.ts'
import { unlessAborted } from '../platform/deadline.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Gauge } from '../platform/metrics.ts'
import { CidSet } from './cid-set.ts'

/** What the IPFS node has pinned, as of a call and with what was pinned since. */
export interface PinSnapshot {
  /** Whether the node has pinned the CID so. */
  has (cid: Cid, type: IpfsPin['type']): boolean
  /** Set when the list could not be had or is not complete. */
  readonly error: ClusterError | undefined
  /** To be called when it is no longer used. */
  release (): void
}

interface Listing {
  readonly recursive: CidSet
  readonly direct: CidSet
  readonly abort: AbortController
  readonly finished: Promise<void>
  error: ClusterError | undefined
  users: number
}

/** Asks the IPFS node for all its pins: once for all who ask at the same time. */
export class IpfsPins {
  readonly #ipfs: IpfsConnector
  readonly #platform: Platform
  readonly #gauge: Gauge
  /** Those in use: what is pinned meanwhile is added to them. */
  readonly #inUse = new Set<Listing>()
  #running: Listing | undefined
  #count = 0

  constructor (ipfs: IpfsConnector, platform: Platform) {
    this.#ipfs = ipfs
    this.#platform = platform
    this.#gauge = platform.metrics.gauge('ipfscluster_pins_ipfs_pins', 'Current number of items pinned on IPFS')
  }

  /** @throws ClusterError `CANCELLED` by the signal; a failure of the node is in the answer */
  async snapshot (signal: AbortSignal | undefined): Promise<PinSnapshot> {
    const listing = this.#running ?? this.#list()
    listing.users++
    const release = (): void => {
      if (--listing.users > 0) return
      this.#inUse.delete(listing)
      if (this.#running === listing) this.#running = undefined
      listing.abort.abort()
    }
    try {
      await unlessAborted(listing.finished, signal)
    } catch {
      release()
      throw new ClusterError('CANCELLED', 'the peer stops or the caller went away')
    }
    return {
      has: (cid, type) => listing[type].has(cid),
      error: listing.error,
      release,
    }
  }

  /** The node has confirmed a pin. */
  pinned (pin: Pin): void {
    for (const listing of this.#inUse) (pin.maxDepth === 0 ? listing.direct : listing.recursive).add(pin.cid)
    this.#gauge.set(++this.#count)
  }

  #list (): Listing {
    const { random } = this.#platform
    const listing: Listing = { recursive: new CidSet(random), direct: new CidSet(random), abort: new AbortController(), finished: Promise.resolve(), error: undefined, users: 0 }
    this.#inUse.add(listing)
    this.#running = Object.assign(listing, { finished: this.#read(listing) })
    return listing
  }

  async #read (listing: Listing): Promise<void> {
    let hung: ClusterError | undefined
    const watch = new HangWatch({ ipfs: this.#ipfs, clock: this.#platform.clock, onHung: error => { listing.abort.abort(hung = error) } })
    try {
      for await (const pins of this.#ipfs.listPins({ signal: listing.abort.signal })) {
        watch.heard()
        for (const pin of pins) (pin.type === 'direct' ? listing.direct : listing.recursive).add(pin.cid)
      }
      this.#gauge.set(this.#count = listing.recursive.size + listing.direct.size)
    } catch (failure) {
      const error = hung ?? failure
      const code = error instanceof ClusterError ? error.code : 'INTERNAL'
      listing.error = new ClusterError(code, `could not get pinset from IPFS: ${errorText(error)}`, { cause: error })
    } finally {
      watch.stop()
    }
    if (this.#running === listing) this.#running = undefined
  }
}
