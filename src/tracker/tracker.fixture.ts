import { createHash } from 'node:crypto'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { statusName, type PinInfo } from '../domain/status.ts'
import { silentLoggers } from '../platform/logger.ts'
import { memoryStore } from '../platform/memory-store.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { Random } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { MemoryPinset } from './memory-pinset.fixture.ts'
import { SimulatedIpfs } from './simulated-ipfs.fixture.ts'
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
  readonly store = memoryStore()
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
      store: this.store,
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
