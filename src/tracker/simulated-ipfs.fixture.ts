import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import type { IpfsConnector, IpfsPin, IpfsPinType, PinCallOptions } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { VirtualClock } from '../platform/virtual-clock.ts'

/** How the node treats a CID. `slow`: blocks come, but few. `lied`: it says that it has pinned, and has not. */
export type Content = 'good' | 'unreachable' | 'refused' | 'slow' | 'lied'

/** An IPFS node in memory that can be down, hang, be slow, refuse, and lose pins behind everybody's back. */
export class SimulatedIpfs {
  readonly pins = new Map<Cid, 'recursive' | 'direct'>()
  readonly content = new Map<Cid, Content>()
  /** Pin requests that came, each with its CIDs. */
  readonly requests: Cid[][] = []
  readonly unpinRequests: Cid[][] = []
  isDown = false
  /** Takes lists of pins, questions for one and questions who it is, and never answers them. */
  isHung = false
  /** Why no unpin is done. */
  unpinRefusal: ClusterError | undefined
  listings = 0
  pinMs = 10
  slowMs = 60_000
  pinTimeoutMs = 120_000
  /** After this time without progress the node gives up on what is left of a batch. */
  batchStallMs = Infinity
  batchTimeMs = Infinity
  /** Highest number of pin requests at once. */
  mostAtOnce = 0
  #atOnce = 0
  readonly #busy = new Set<Cid>()
  readonly #clock: VirtualClock

  constructor (clock: VirtualClock) { this.#clock = clock }

  connector (): IpfsConnector {
    const unused = (): never => { throw new Error('not part of this test') }
    return {
      kind: 'kubo', start: async () => {}, stop: async () => {}, version: unused, putBlocks: unused, getBlock: unused, resolve: unused,
      repositoryStat: unused, garbageCollect: unused, swarmPeers: unused, connectSwarm: unused, configKey: unused,
      id: async options => {
        if (this.isHung) await never(options)
        this.#answer('id')
        return { id: undefined, addresses: null, error: '' }
      },
      pin: (pin, options) => this.#request([pin], options, this.requests, () => this.#pin(pin, options)),
      pinMany: (pins, options) => this.#request(pins, options, this.requests, () => this.#pinMany(pins, options)),
      unpin: (cid, options) => this.#request([{ cid }], options, this.unpinRequests, () => this.#unpin(cid, options)),
      unpinMany: (cids, options) => this.#request(cids.map(cid => ({ cid })), options, this.unpinRequests, async () => {
        for (const cid of cids) await this.#unpin(cid, options)
        return cids.map(() => undefined)
      }),
      pinStatus: async (cid, options): Promise<IpfsPinType> => {
        if (this.isHung) await never(options)
        this.#answer(`pin/ls?arg=${cid}`)
        return this.pins.get(cid) ?? 'unpinned'
      },
      listPins: options => this.#list(options),
    }
  }

  async * #list (options: CallOptions | undefined): AsyncGenerator<IpfsPin[]> {
    this.listings++
    this.#answer('pin/ls')
    if (this.isHung) await never(options)
    const pins = [...this.pins].map(([cid, type]) => ({ cid, type }))
    for (let at = 0; at === 0 || at < pins.length; at += 100) {
      await sleep(this.#clock, 5, options?.signal)
      yield pins.slice(at, at + 100)
    }
  }

  /** One after the other, as Kubo does. What is left when one hangs comes back as stalled, as from our connector. */
  async #pinMany (pins: readonly Pin[], options: PinCallOptions | undefined): Promise<Array<ClusterError | undefined>> {
    const errors: Array<ClusterError | undefined> = []
    const givenUp = new AbortController()
    const signals = options?.signal === undefined ? [givenUp.signal] : [givenUp.signal, options.signal]
    const signal = AbortSignal.any(signals)
    const giveUp = (): void => { givenUp.abort() }
    const cancelLimit = this.batchTimeMs === Infinity ? () => {} : this.#clock.after(this.batchTimeMs, giveUp)
    let done = 0
    for (const pin of pins) {
      let cancelStall = (): void => {}
      const progressed = (): void => {
        cancelStall()
        if (this.batchStallMs !== Infinity) cancelStall = this.#clock.after(this.batchStallMs, giveUp)
      }
      progressed()
      try {
        await this.#pin(pin, { signal, onProgress: () => { progressed(); options?.onProgress?.(++done) } })
        options?.onProgress?.(++done)
        errors.push(undefined)
      } catch (error) {
        if (givenUp.signal.aborted) errors.push(new ClusterError('IPFS_STALLED', 'came to a halt'))
        else if (options?.signal?.aborted === true || !(error instanceof ClusterError)) throw error
        else errors.push(error)
      } finally {
        cancelStall()
      }
    }
    cancelLimit()
    return errors
  }

  /** What every request has in common: one for a CID at a time, and no more than the tracker may. */
  async #request<T> (items: ReadonlyArray<{ readonly cid: Cid }>, options: PinCallOptions | undefined, log: Cid[][], work: () => Promise<T>): Promise<T> {
    const isPin = log === this.requests
    log.push(items.map(item => item.cid))
    for (const { cid } of items) {
      if (this.#busy.has(cid)) throw new Error(`two requests for ${cid} at once`)
      this.#busy.add(cid)
    }
    if (isPin) this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce)
    try {
      this.#answer(`pin/${isPin ? 'add' : 'rm'}?arg=${items[0]?.cid}`)
      return await work()
    } catch (error) {
      if (options?.signal?.aborted === true) throw new ClusterError('CANCELLED', 'context canceled')
      throw error
    } finally {
      if (isPin) this.#atOnce--
      for (const { cid } of items) this.#busy.delete(cid)
    }
  }

  #answer (what: string): void {
    if (this.isDown) throw new ClusterError('IPFS_UNREACHABLE', `Post "http://127.0.0.1:5001/api/v0/${what}": dial tcp 127.0.0.1:5001: connect: connection refused`)
  }

  async #pin (pin: Pin, options: PinCallOptions | undefined): Promise<void> {
    const content = this.content.get(pin.cid) ?? 'good'
    if (content === 'unreachable') {
      await sleep(this.#clock, this.pinTimeoutMs, options?.signal)
      throw new ClusterError('IPFS_STALLED', `no progress for ${this.pinTimeoutMs} ms`)
    }
    if (content === 'slow') {
      for (let blocks = 1; blocks <= this.slowMs / 1_000; blocks++) {
        await sleep(this.#clock, 1_000, options?.signal)
        options?.onProgress?.(blocks)
      }
    }
    await sleep(this.#clock, this.pinMs, options?.signal)
    this.#answer(`pin/add?arg=${pin.cid}`)
    if (content === 'refused') throw new ClusterError('IPFS_ANSWER', `IPFS error (pin/add?arg=${pin.cid}). Code: 500. Message: block was not found locally (offline)`)
    if (pin.maxDepth === 0 && this.pins.get(pin.cid) === 'recursive') throw new ClusterError('IPFS_ANSWER', `IPFS error (pin/add?arg=${pin.cid}). Code: 500. Message: pin: ${pin.cid} already pinned recursively`)
    if (content !== 'lied') this.pins.set(pin.cid, pin.maxDepth === 0 ? 'direct' : 'recursive')
  }

  async #unpin (cid: Cid, options: CallOptions | undefined): Promise<void> {
    await sleep(this.#clock, this.pinMs, options?.signal)
    this.#answer(`pin/rm?arg=${cid}`)
    if (this.unpinRefusal !== undefined) throw this.unpinRefusal
    this.pins.delete(cid)
  }
}

/** Until the caller has had enough. */
function never (options: CallOptions | undefined): Promise<never> {
  return new Promise((_resolve, reject) => { options?.signal?.addEventListener('abort', () => { reject(new ClusterError('CANCELLED', 'context canceled')) }) })
}
