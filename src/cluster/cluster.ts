import type { AddOptions, Adder, UploadedEntry } from '../adder/adder.ts'
import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import type { Alert, Metric } from '../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Pin, PinOptions, PinType } from '../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../domain/repository.ts'
import type { GlobalPinInfo, TrackerStatus } from '../domain/status.ts'
import { contractVersion } from '../domain/version.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { encodedPins } from './encoded-pins.ts'
import { connectGraph } from './connect-graph.ts'
import { collectEverywhere, collectLocally } from './garbage-collect.ts'
import type { IpfsIdentity } from './ipfs-identity.ts'
import type { ClusterOperations, ScopeOptions } from './operations.ts'
import { Membership } from './peers.ts'
import { notPinned, type Pinning } from './pin.ts'
import { readPing } from './ping.ts'
import { globalOf, statusOfAllPeers, type StatusParts } from './status.ts'
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
  readonly ipfsIdentity: IpfsIdentity
  readonly adder: Adder
  readonly alerts: () => Alert[]
  readonly platform: Platform
}

/** A cluster peer as its users see it: each operation hands on to the component or file that does it. */
export class Cluster implements ClusterOperations {
  readonly self: PeerId
  readonly #parts: ClusterParts
  readonly #membership: Membership
  readonly #statusParts: StatusParts

  constructor (parts: ClusterParts) {
    const { self, peername, network, consensus, calls, ipfsIdentity, followerMode, tracker, platform } = parts
    this.self = self
    this.#parts = parts
    this.#membership = new Membership({ self, peername, network, consensus, calls, ipfsIdentity, followerMode })
    this.#statusParts = { self, consensus, tracker, calls, clock: platform.clock, followerMode, lastKnown: peer => this.#lastKnown(peer) }
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

  async unpin (cid: Cid, options: CallOptions = {}): Promise<Pin> {
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
    return statusOfAllPeers(this.#statusParts, cid, peer => peer === this.self ? tracker.status(cid, options) : calls.status(peer, cid, options), options)
  }

  async * statusAll (filter: TrackerStatus, options: ScopeOptions = {}): AsyncGenerator<GlobalPinInfo[]> {
    for await (const infos of this.#parts.tracker.statusAll(filter, options)) yield infos.map(globalOf)
  }

  async recover (cid: Cid, options: ScopeOptions = {}): Promise<GlobalPinInfo> {
    const { tracker, calls } = this.#parts
    if (options.local === true) return globalOf(await tracker.recover(cid, options))
    return statusOfAllPeers(this.#statusParts, cid, peer => peer === this.self ? tracker.recover(cid, options) : calls.recover(peer, cid, options), options)
  }

  async * recoverAll (options: ScopeOptions = {}): AsyncGenerator<GlobalPinInfo> {
    for await (const info of this.#parts.tracker.recoverAll(options)) yield globalOf(info)
  }

  add (entries: AsyncIterable<UploadedEntry>, addOptions: AddOptions, options: CallOptions = {}): AsyncIterable<AddedOutput> {
    return this.#parts.adder.add(entries, addOptions, options)
  }

  async collectGarbage (options: ScopeOptions = {}): Promise<GlobalRepositoryCollection> {
    const { ipfs, peername, consensus, calls } = this.#parts
    const local = () => collectLocally(ipfs, this.self, peername, options)
    if (options.local === true) return { peerMap: { [this.self]: await local() } }
    return collectEverywhere(await consensus.peers(options), this.self, local, calls, options)
  }

  connectGraph (options: CallOptions = {}): Promise<ConnectGraph> {
    const { self, peername, consensus, network, calls, ipfs, ipfsIdentity } = this.#parts
    return connectGraph({ self, peername, consensus, network, calls, ipfs, ipfsIdentity }, options)
  }

  alerts (): Alert[] { return this.#parts.alerts() }
  bandwidth (): Record<string, Bandwidth> { return {} }
  metricNames (): string[] { return this.#parts.monitor.names() }
  metrics (name: string): Metric[] { return this.#parts.monitor.latest(name) }

  /** As its last ping told: also of this peer, so that all peers tell the same. */
  #lastKnown (peer: PeerId): ReturnType<typeof readPing> {
    return readPing(this.#parts.monitor.latestFor('ping', peer))
  }
}
