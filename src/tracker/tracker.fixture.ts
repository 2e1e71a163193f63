import { createHash } from 'node:crypto'
import { cidFromBytes, compareCids, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { statusName, type PinInfo } from '../domain/status.ts'
import type { IpfsConnector, IpfsPin, IpfsPinType, PinCallOptions } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { silentLoggers } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { Random } from '../platform/random.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import type { ChangeLog, PinsetChange } from '../state/changes.ts'
import type { PinsetQuery, StateStore } from '../state/state-store.ts'
import { statelessTracker, type StatelessTrackerOptions } from './stateless-tracker.ts'
import type { PinTracker } from './tracker.ts'

/* A world of one tracker for tests: pinset, change log and IPFS node in memory, time that stands still. */

export const self = '12D3KooWSelf' as PeerId
export const otherPeer = '12D3KooWOther' as PeerId

export function cidOf (name: string | number): Cid {
  return cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...createHash('sha256').update(String(name)).digest()]))
}

export function cidV0Of (name: string | number): Cid {
  return cidFromBytes(Uint8Array.from([0x12, 0x20, ...createHash('sha256').update(String(name)).digest()]))
}

export function seededRandom (seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return { fraction: next, integer: below => Math.floor(next() * below), bytes: length => Uint8Array.from({ length }, () => Math.floor(next() * 256)) }
}

/** Pinset and change log in memory; its cursor outlives the tracker as the one on disk does. */
export class MemoryPinset implements StateStore, ChangeLog {
  readonly pins = new Map<Cid, Pin>()
  cursor = 0
  reads = 0
  failRead: Error | undefined
  #log: PinsetChange[] = []
  #wake: (() => void) | undefined

  put (pin: Pin): void {
    this.pins.set(pin.cid, pin)
    this.#append(pin.cid, pin)
  }

  remove (cid: Cid): void {
    this.pins.delete(cid)
    this.#append(cid, undefined)
  }

  get last (): number { return this.#log.length }

  #append (cid: Cid, pin: Pin | undefined): void {
    this.#log.push({ sequence: this.#log.length + 1, cid, pin })
    this.#wake?.()
  }

  async * read ({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<PinsetChange[]> {
    let next = this.cursor
    while (!signal.aborted) {
      if (this.failRead !== undefined) {
        const error = this.failRead
        this.failRead = undefined
        throw error
      }
      if (next < this.#log.length) {
        const batch = this.#log.slice(next, next + 1_000)
        next += batch.length
        yield batch
      } else {
        await new Promise<void>(resolve => {
          this.#wake = resolve
          signal.addEventListener('abort', () => { resolve() }, { once: true })
        })
      }
    }
  }

  acknowledge (sequence: number): void {
    if (sequence > this.#log.length) throw new Error(`acknowledged ${sequence} of ${this.#log.length}`)
    this.cursor = Math.max(this.cursor, sequence)
  }

  async get (cid: Cid): Promise<Pin | undefined> { return this.pins.get(cid) }
  async getMany (cids: readonly Cid[]): Promise<Array<Pin | undefined>> {
    this.reads += cids.length
    return cids.map(cid => this.pins.get(cid))
  }

  async has (cid: Cid): Promise<boolean> { return this.pins.has(cid) }
  count (): number { return this.pins.size }

  async * list (query: PinsetQuery): AsyncGenerator<Pin[]> {
    const sorted = [...this.pins.values()].toSorted((a, b) => compareCids(a.cid, b.cid))
    for (let at = 0; at < sorted.length; at += 100) {
      if (query.signal?.aborted === true) return
      yield sorted.slice(at, at + 100)
    }
  }

  async * allocatedTo (): AsyncGenerator<Cid[]> {}
}

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
      id: async () => {
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
      pinStatus: async (cid): Promise<IpfsPinType> => {
        this.#answer(`pin/ls?arg=${cid}`)
        return this.pins.get(cid) ?? 'unpinned'
      },
      listPins: options => this.#list(options),
    }
  }

  async * #list (options: CallOptions | undefined): AsyncGenerator<IpfsPin[]> {
    this.listings++
    this.#answer('pin/ls')
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
    if (content !== 'lied' && !(pin.maxDepth === 0 && this.pins.has(pin.cid))) this.pins.set(pin.cid, pin.maxDepth === 0 ? 'direct' : 'recursive')
  }

  async #unpin (cid: Cid, options: CallOptions | undefined): Promise<void> {
    await sleep(this.#clock, this.pinMs, options?.signal)
    this.#answer(`pin/rm?arg=${cid}`)
    this.pins.delete(cid)
  }
}

export class MemoryMetrics implements Metrics {
  readonly counters = new Map<string, number>()
  readonly gauges = new Map<string, () => number>()

  counter (name: string): { add: (amount: number) => void } {
    this.counters.set(name, 0)
    return { add: amount => { this.counters.set(name, (this.counters.get(name) ?? 0) + amount) } }
  }

  gauge (name: string, _help: string, read?: () => number): { set: (value: number) => void } {
    let value = 0
    this.gauges.set(name, read ?? (() => value))
    return { set: next => { value = next } }
  }

  value (name: string): number | undefined { return this.counters.get(name) ?? this.gauges.get(name)?.() }
}

export const defaultOptions: StatelessTrackerOptions = { maxPinQueueSize: 100_000, concurrentPins: 10, priorityPinMaxAgeMs: 86_400_000, priorityPinMaxRetries: 5 }

export class World {
  readonly clock = virtualClock()
  readonly pinset = new MemoryPinset()
  readonly ipfs = new SimulatedIpfs(this.clock)
  readonly metrics = new MemoryMetrics()
  readonly options: StatelessTrackerOptions
  readonly #seed: number
  tracker: PinTracker

  constructor (options: Partial<StatelessTrackerOptions> = {}, seed = 1) {
    this.options = { ...defaultOptions, ...options }
    this.#seed = seed
    this.tracker = this.#make()
  }

  #make (): PinTracker {
    return statelessTracker({
      pinset: this.pinset,
      changes: this.pinset,
      ipfs: this.ipfs.connector(),
      self,
      peername: 'peer-main',
      identity: () => ({ ipfsPeerId: otherPeer, ipfsPeerAddresses: [] }),
      options: this.options,
      platform: { clock: this.clock, random: seededRandom(this.#seed), loggers: silentLoggers, metrics: this.metrics },
    })
  }

  async start (): Promise<void> {
    await this.tracker.start(new AbortController().signal)
    await this.clock.settle()
  }

  /** A tracker that knows nothing but what the pinset, the log's cursor and the node know. */
  async restart (): Promise<void> {
    await this.stop()
    this.tracker = this.#make()
    await this.start()
  }

  async stop (): Promise<void> {
    await this.whileRunning(this.tracker.stop())
  }

  /** Moves time on until the promise has settled. */
  async whileRunning<T> (promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false
    const mark = (): void => { settled = true }
    promise.then(mark, mark)
    await this.clock.until(() => settled, limitMs)
    return promise
  }

  pin (name: string | number, changes: Partial<Pin> = {}): Pin {
    const pin: Pin = { ...pinWithOptions(cidOf(name), { ...defaultPinOptions, replicationFactorMin: -1, replicationFactorMax: -1, name: String(name) }, this.clock.now()), allocations: [], origins: [], ...changes }
    this.pinset.put(pin)
    return pin
  }

  async status (cid: Cid): Promise<string> {
    return statusName((await this.whileRunning(this.tracker.status(cid))).status)
  }

  async statuses (filter = 0): Promise<PinInfo[]> {
    return this.whileRunning(Array.fromAsync(this.tracker.statusAll(filter)).then(steps => steps.flat()))
  }

  /** Lets time go on until nothing is queued or in progress. */
  async idle (limitMs = 3_600_000): Promise<void> {
    await this.clock.settle()
    const busy = (): number => (this.metrics.value('ipfscluster_pins_pin_queued') ?? 0) + (this.metrics.value('ipfscluster_pins_pinning') ?? 0)
    if (busy() > 0) await this.clock.until(() => busy() === 0, limitMs)
  }
}
