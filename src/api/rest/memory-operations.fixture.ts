import type { TestContext } from 'node:test'
import type { AddOptions, UploadedEntry } from '../../adder/adder.ts'
import type { ClusterOperations, ScopeOptions } from '../../cluster/operations.ts'
import { parseCid, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Alert, Metric } from '../../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerId, PeerInformation } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin, type PinOptions, type PinType } from '../../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../../domain/repository.ts'
import { matchesFilter, TrackerStatus, type GlobalPinInfo } from '../../domain/status.ts'
import type { Clock } from '../../platform/clock.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import { loggedPlatform, run, defaultApiOptions, type RunningApi } from '../running-api.fixture.ts'
import type { ApiOptions } from '../api-options.ts'
import { restApi } from './rest-api.ts'

export const self = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
export const other = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN' as PeerId
export const someCid = parseCid('bafkreid3wneutgqir3hc5eaf7aznmrzz3kdb7ff6hrv7mkhsfg437l2tem')
export const otherCid = parseCid('QmQSwnj4axJwGv6Cj2tFN5VfXYr1frL11TEQbR4M9gHKig')
const added = Date.UTC(2026, 10, 24, 10)

/** Operations of one peer whose pinset is in memory and whose IPFS node holds all of it at once. */
export class MemoryOperations implements ClusterOperations {
  readonly self = self
  readonly pinset = new Map<Cid, Pin>()
  /** What an operation throws instead of answering; a stream throws it after what it has. */
  readonly failures = new Map<keyof ClusterOperations, unknown>()
  /** The operations that were asked for with their arguments, but for signals. */
  readonly calls: unknown[][] = []
  /** Streams whose iteration has begun and not ended. */
  openStreams = 0
  /** Called with the signal of each stream that begins. */
  onStream: ((signal: AbortSignal | undefined) => void) | undefined
  /** What the list of pins repeats for ever, when set. */
  endless: Pin | undefined
  alertList: Alert[] = []
  metricList: Metric[] = []
  bandwidths: Record<string, Bandwidth> = {}

  put (cid: Cid, options: Partial<PinOptions> = {}, rest: Partial<Pin> = {}): Pin {
    const pin = { ...pinWithOptions(cid, { ...defaultPinOptions, ...options }, added), allocations: [], origins: [], ...rest }
    this.pinset.set(cid, pin)
    return pin
  }

  async id (): Promise<PeerInformation> {
    this.#note('id')
    return { id: self, addresses: [], clusterPeers: [self], clusterPeersAddresses: [], version: '1.1.6', commit: '', rpcProtocolVersion: '/ipfscluster/1.0/rpc', error: '', ipfs: { id: undefined, addresses: null, error: 'down' }, peername: 'memory' }
  }

  version (): string { return '1.1.6' }

  peers (options?: CallOptions): AsyncIterable<PeerInformation> {
    const id = this.id()
    return this.#stream('peers', options, async function * () { yield await id })
  }

  async addPeer (peer: PeerId): Promise<PeerInformation> {
    this.#note('addPeer', peer)
    return { ...await this.id(), id: peer }
  }

  async removePeer (peer: PeerId): Promise<void> { this.#note('removePeer', peer) }

  async pin (cid: Cid, options: PinOptions): Promise<Pin> {
    this.#note('pin', cid, options)
    return this.put(cid, options)
  }

  async pinPath (path: string, options: PinOptions): Promise<Pin> {
    this.#note('pinPath', path, options)
    return this.put(someCid, options)
  }

  async unpin (cid: Cid): Promise<Pin> {
    this.#note('unpin', cid)
    const pin = this.#get(cid)
    this.pinset.delete(cid)
    return pin
  }

  async unpinPath (path: string): Promise<Pin> {
    this.#note('unpinPath', path)
    return this.unpin(someCid)
  }

  pins (types: ReadonlySet<PinType> | undefined, options?: CallOptions): AsyncIterable<Pin[]> {
    this.#note('pins', types && [...types])
    const { endless, pinset } = this
    return this.#stream('pins', options, async function * () {
      const list = [...pinset.values()].filter(pin => types === undefined || types.has(pin.type))
      if (list.length > 0) yield list
      while (endless !== undefined) {
        yield new Array<Pin>(100).fill(endless)
        await new Promise(resolve => { setImmediate(resolve) })
      }
    })
  }

  async pinGet (cid: Cid): Promise<Pin> {
    this.#note('pinGet', cid)
    return this.#get(cid)
  }

  async status (cid: Cid, { local }: ScopeOptions = {}): Promise<GlobalPinInfo> {
    this.#note('status', cid, local)
    return this.#statusOf(cid)
  }

  statusAll (filter: TrackerStatus, options: ScopeOptions = {}): AsyncIterable<GlobalPinInfo[]> {
    this.#note('statusAll', filter, options.local)
    const { pinset } = this
    const statusOf = (cid: Cid): GlobalPinInfo => this.#statusOf(cid)
    return this.#stream('statusAll', options, async function * () {
      const infos = [...pinset.keys()].map(statusOf)
      if (infos.length > 0 && matchesFilter(TrackerStatus.pinned, filter)) yield infos
    })
  }

  async recover (cid: Cid, { local }: ScopeOptions = {}): Promise<GlobalPinInfo> {
    this.#note('recover', cid, local)
    return this.#statusOf(cid)
  }

  recoverAll (options: ScopeOptions = {}): AsyncIterable<GlobalPinInfo> {
    this.#note('recoverAll', options.local)
    const infos = [...this.pinset.keys()].map(cid => this.#statusOf(cid))
    return this.#stream('recoverAll', options, async function * () { yield * infos })
  }

  add (entries: AsyncIterable<UploadedEntry>, addOptions: AddOptions, options?: CallOptions): AsyncIterable<AddedOutput> {
    this.#note('add', addOptions)
    return this.#stream('add', options, async function * () {
      for await (const { path, content } of entries) {
        let size = 0
        for await (const piece of content) {
          size += piece.byteLength
          if (addOptions.progress) yield { name: '', cid: undefined, bytes: size, size: 0, allocations: [] }
        }
        yield { name: path, cid: someCid, bytes: 0, size, allocations: [self] }
      }
    })
  }

  async collectGarbage ({ local }: ScopeOptions = {}): Promise<GlobalRepositoryCollection> {
    this.#note('collectGarbage', local)
    return { peerMap: { [self]: { peer: self, peername: 'memory', keys: [{ cid: someCid, error: '' }], error: '' }, [other]: { peer: other, peername: '', keys: [], error: 'down' } } }
  }

  async connectGraph (): Promise<ConnectGraph> {
    this.#note('connectGraph')
    return { clusterId: self, idToPeername: { [self]: 'memory' }, ipfsLinks: {}, clusterLinks: { [self]: [], [other]: [self] }, clusterTrustLinks: { [other]: true }, clusterToIpfs: {} }
  }

  alerts (): Alert[] { return this.alertList }
  bandwidth (): Record<string, Bandwidth> { return this.bandwidths }
  metricNames (): string[] { return [...new Set(this.metricList.map(metric => metric.name))] }
  metrics (name: string): Metric[] { return this.metricList.filter(metric => metric.name === name) }

  #note (name: keyof ClusterOperations, ...args: unknown[]): void {
    this.calls.push([name, ...args])
    if (this.failures.has(name) && !streams.has(name)) throw this.failures.get(name)
  }

  #get (cid: Cid): Pin {
    const pin = this.pinset.get(cid)
    if (pin === undefined) throw new ClusterError('NOT_FOUND', 'pin is not part of the pinset')
    return pin
  }

  #statusOf (cid: Cid): GlobalPinInfo {
    const pin = this.pinset.get(cid)
    const status = pin === undefined ? TrackerStatus.unpinned : TrackerStatus.pinned
    const peer = { peername: 'memory', ipfsPeerId: undefined, ipfsPeerAddresses: null, status, timestamp: added, error: '', attemptCount: 0, priorityPin: false }
    return { cid, name: pin?.name ?? '', allocations: pin?.allocations ?? null, origins: pin?.origins ?? null, created: pin?.timestamp ?? 0, metadata: pin?.metadata ?? null, peerMap: { [self]: peer } }
  }

  /** What `make` yields, then the failure of `name`; the iteration is counted, and ends by the signal. */
  async * #stream<T> (name: keyof ClusterOperations, { signal }: CallOptions = {}, make: () => AsyncIterable<T>): AsyncGenerator<T> {
    this.openStreams++
    this.onStream?.(signal)
    try {
      for await (const item of make()) {
        signal?.throwIfAborted()
        yield item
      }
      if (this.failures.has(name)) throw this.failures.get(name)
    } finally {
      this.openStreams--
    }
  }
}

const streams: ReadonlySet<keyof ClusterOperations> = new Set(['peers', 'pins', 'statusAll', 'recoverAll', 'add'])

/** The REST API of a peer in memory. */
export async function startRest (t: TestContext, options: Partial<ApiOptions> = {}, { clock }: { readonly clock?: Clock } = {}): Promise<RunningApi & { readonly operations: MemoryOperations }> {
  const operations = new MemoryOperations()
  const { platform, lines } = loggedPlatform(clock)
  const api = restApi({ operations, options: { ...defaultApiOptions, ...options }, folder: '.', platform })
  return { operations, ...await run(t, api, lines) }
}
