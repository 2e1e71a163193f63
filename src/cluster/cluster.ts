import type { StatusRange } from '../codec/status-ranges.ts'
import type { AddOptions, Adder, UploadedEntry } from '../adder/adder.ts'
import type { Consensus, UnpinOptions } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { isOursAlone, type Alert, type Metric } from '../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Pin, PinOptions, PinType } from '../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../domain/repository.ts'
import type { GlobalPinInfo, PinInfo, TrackerStatus } from '../domain/status.ts'
import { contractVersion } from '../domain/version.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { connectGraph } from './connect-graph.ts'
import { encodedPins } from './encoded-pins.ts'
import { collectEverywhere, collectLocally } from './garbage-collect.ts'
import type { ClusterOperations, ScopeOptions } from './operations.ts'
import type { Membership } from './peers.ts'
import { notPinned, type Pinning } from './pin.ts'
import { readPing } from './ping.ts'
import { recoverLocally } from './recover.ts'
import { encodedStatuses } from './status/encoded-statuses.ts'
import { inFull, type AgreedRange } from './status/expected-range.ts'
import { globalsOf, statusesOfAllPeers, statusesOfOne, type AllStatusParts } from './status/status-all.ts'
import { globalOf } from './status/status-lines.ts'
import type { StatusSorter } from './status/status-sorter.ts'
import { statusOfAllPeers, type StatusParts } from './status/status.ts'
import { unpin } from './unpin.ts'

/** The components of a peer, as `assemble.ts` has made them. */
export interface ClusterParts {
  readonly self: PeerId
  readonly peername: string
  readonly followerMode: boolean
  readonly network: Network
  readonly calls: PeerCalls
  readonly consensus: Consensus
  readonly pinning: Pinning
  readonly tracker: PinTracker
  readonly monitor: PeerMonitor
  readonly ipfs: IpfsConnector
  readonly membership: Membership
  readonly sorter: StatusSorter
  readonly adder: Adder
  readonly alerts: () => Alert[]
  readonly platform: Platform
}

/** A cluster peer as its users see it: each operation hands on to the component or file that does it. */
export class Cluster implements ClusterOperations {
  readonly self: PeerId
  readonly #parts: ClusterParts
  readonly #membership: Membership
  readonly #statusParts: StatusParts & AllStatusParts

  constructor (parts: ClusterParts) {
    const { self, consensus, followerMode, membership, monitor, sorter, platform } = parts
    const { clock } = platform
    this.self = self
    this.#parts = parts
    this.#membership = membership
    this.#statusParts = {
      self,
      consensus,
      followerMode,
      sorter,
      clock,
      platform,
      // As its last ping told: also of this peer, so that all peers tell the same.
      lastKnown: peer => readPing(monitor.latestFor('ping', peer)),
      isAlive: peer => monitor.latest('ping').some(ping => ping.peer === peer),
    }
  }

  id (options: CallOptions = {}): Promise<PeerInformation> { return this.#membership.self(options) }
  version (): string { return contractVersion }
  peers (options: CallOptions = {}): AsyncIterable<PeerInformation> { return this.#membership.all(options) }
  addPeer (peer: PeerId, options: CallOptions = {}): Promise<PeerInformation> { return this.#membership.add(peer, options) }
  removePeer (peer: PeerId, options: CallOptions = {}): Promise<void> { return this.#membership.remove(peer, options) }

  pin (cid: Cid, pinOptions: PinOptions, options: CallOptions = {}): Promise<Pin> {
    return this.#parts.pinning.pin(cid, pinOptions, options)
  }

  async pinPath (path: string, pinOptions: PinOptions, options: CallOptions = {}): Promise<Pin> {
    return this.pin(await this.#parts.ipfs.resolve(path, options), pinOptions, options)
  }

  async unpin (cid: Cid, options: UnpinOptions = {}): Promise<Pin> {
    this.#parts.pinning.refuseInFollowerMode()
    return unpin(this.#parts.consensus, this.#parts.ipfs, cid, options)
  }

  async unpinPath (path: string, options: CallOptions = {}): Promise<Pin> {
    return this.unpin(await this.#parts.ipfs.resolve(path, options), options)
  }

  pins (types: ReadonlySet<PinType> | undefined, options: CallOptions = {}): AsyncIterable<Pin[]> {
    return this.#parts.consensus.pinset().list({ ...(types && { types }), ...(options.signal && { signal: options.signal }) })
  }

  pinsEncoded (types: ReadonlySet<PinType> | undefined, options: CallOptions = {}): AsyncIterable<Uint8Array> {
    return encodedPins(this.#parts.consensus.pinset(), { ...(types && { types }), ...(options.signal && { signal: options.signal }) })
  }

  async pinGet (cid: Cid): Promise<Pin> {
    const pin = await this.#parts.consensus.pinset().get(cid)
    if (pin === undefined) throw notPinned()
    return pin
  }

  async status (cid: Cid, options: ScopeOptions = {}): Promise<GlobalPinInfo> {
    const { tracker, calls } = this.#parts
    if (options.local === true) return globalOf(await tracker.status(cid, options))
    return statusOfAllPeers(this.#statusParts, cid, (peer, limited) => peer === this.self ? tracker.status(cid, limited) : calls.status(peer, cid, limited), options)
  }

  statusAll (filter: TrackerStatus, options: ScopeOptions = {}): AsyncIterable<GlobalPinInfo[]> { return inFull(this.#statuses(filter, options)) }

  statusesEncoded (filter: TrackerStatus, options: ScopeOptions = {}): AsyncIterable<Uint8Array> { return encodedStatuses(this.#statuses(filter, options)) }

  #statuses (filter: TrackerStatus, options: ScopeOptions): AsyncIterable<GlobalPinInfo[] | AgreedRange> {
    const { tracker, calls } = this.#parts
    if (options.local === true) return filter === 0 ? statusesOfOne(this.self, tracker.listed(options)) : globalsOf(tracker.statusAll(filter, options))
    return statusesOfAllPeers(this.#statusParts, {
      local: limited => tracker.statusAll(filter, limited),
      remote: (peer, limited) => calls.statusAll(peer, filter, limited),
      ...(filter === 0 && { ranges: {
        listed: (limited: CallOptions) => tracker.listed(limited),
        isAnsweredBy: (peer: PeerId) => calls.answersRanges(peer),
        remote: (peer: PeerId, ranges: AsyncIterable<StatusRange>, limited: CallOptions) => calls.statusRanges(peer, ranges, limited),
      } }),
    }, options)
  }

  async recover (cid: Cid, options: ScopeOptions = {}): Promise<GlobalPinInfo> {
    const { tracker, calls } = this.#parts
    if (options.local === true) return globalOf(await recoverLocally(this.#parts, cid, options))
    return statusOfAllPeers(this.#statusParts, cid, (peer, limited) => peer === this.self ? tracker.recover(cid, limited) : calls.recover(peer, cid, limited), options)
  }

  async * recoverAll (options: ScopeOptions = {}): AsyncGenerator<GlobalPinInfo> {
    const { tracker, calls, sorter } = this.#parts
    if (options.local === true) {
      for await (const info of tracker.recoverAll(options)) yield globalOf(info)
      return
    }
    const merged = inFull(statusesOfAllPeers(this.#statusParts, {
      local: limited => sorter.sorted(oneByOne(tracker.recoverAll(limited))),
      remote: (peer, limited) => oneByOne(calls.recoverAll(peer, limited)),
    }, options))
    for await (const infos of merged) yield * infos
  }

  add (entries: AsyncIterable<UploadedEntry>, addOptions: AddOptions, options: CallOptions = {}): AsyncIterable<AddedOutput> {
    return this.#parts.adder.add(entries, addOptions, options)
  }

  async collectGarbage (options: ScopeOptions = {}): Promise<GlobalRepositoryCollection> {
    const { self } = this
    const { ipfs, peername, consensus, calls, platform: { clock } } = this.#parts
    const local = () => collectLocally({ ipfs, self, peername, clock }, options)
    if (options.local === true) return { peerMap: { [self]: await local() } }
    return collectEverywhere(await consensus.peers(options), { self, calls, lastKnown: this.#statusParts.lastKnown, local }, options)
  }

  connectGraph (options: CallOptions = {}): Promise<ConnectGraph> {
    const { self } = this
    const { consensus, calls, ipfs, platform: { clock } } = this.#parts
    return connectGraph({
      self,
      consensus,
      clock,
      linksOf: (peer, limited) => peer === self ? this.#membership.links(limited) : calls.links(peer, limited),
      swarmOf: (peer, limited) => peer === self ? ipfs.swarmPeers(limited) : calls.swarmPeers(peer, limited),
    }, options)
  }

  alerts (): Alert[] { return this.#parts.alerts() }
  bandwidth (): Record<string, Bandwidth> { return this.#parts.network.bandwidth() }
  /** Names that begin with `flotilla:` are left out: our peers tell each other more than the reference's listing knows. */
  metricNames (): string[] { return this.#parts.monitor.names().filter(name => !isOursAlone(name)) }
  metrics (name: string): Metric[] { return this.#parts.monitor.latest(name) }
}

async function * oneByOne (infos: AsyncIterable<PinInfo>): AsyncGenerator<PinInfo[]> {
  for await (const info of infos) yield [info]
}
