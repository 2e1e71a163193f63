import { balancedAllocator } from '../allocator/balanced.ts'
import { dagAdder } from '../adder/dag-adder.ts'
import type { HashThreads } from '../adder/hash-threads.ts'
import { MetricMessage, PinInfoMessage, PinMessage } from '../codec/messages.ts'
import type { Configuration } from '../config/configuration.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { digestMetricName } from '../consensus/crdt/divergence-watch.ts'
import type { PeerId, PeerInformation } from '../domain/peer.ts'
import type { Informer } from '../informer/informer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { GossipMonitor } from '../monitor/gossip-monitor.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { Store } from '../platform/store.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { rpcCalls } from '../rpc/rpc-calls.ts'
import { servePeers } from '../rpc/server.ts'
import { statelessTracker } from '../tracker/stateless-tracker.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { AlertHistory } from './alert-history.ts'
import { Cluster } from './cluster.ts'
import type { PeerComponent } from './components.ts'
import { informersOf } from './informers.ts'
import { IpfsIdentity } from './ipfs-identity.ts'
import type { IpfsNodeHooks } from './ipfs-node.ts'
import { publishOnDemand } from './metric-loops.ts'
import { peerService } from './peer-service.ts'
import { Membership } from './peers.ts'
import { Pinning } from './pin.ts'
import { pingMetric, recordAnswer } from './ping.ts'
import { RepairLoop } from './repair/repair.ts'
import { StatusSorter } from './status/status-sorter.ts'
import { unpinMade } from './unpin.ts'

/** What differs between a peer of its own process, one of a test and one of the simulator. */
export interface PeerParts {
  readonly self: PeerId
  readonly network: Network
  /** Open; given away: the peer closes it. */
  readonly store: Store
  /** Makes the connector to the IPFS node. */
  readonly ipfs: (hooks: IpfsNodeHooks) => IpfsConnector | Promise<IpfsConnector>
  readonly platform: Platform
  /** Threads that hash beside an add; without, everything is hashed where it is made. */
  readonly hashing?: HashThreads | undefined
}

/** A peer's components, made but not started. */
export interface Peer {
  readonly configuration: Configuration
  readonly platform: Platform
  readonly network: Network
  readonly calls: PeerCalls
  readonly cluster: Cluster
  readonly consensus: CrdtConsensus
  readonly tracker: PinTracker
  readonly monitor: GossipMonitor
  readonly ipfs: IpfsConnector
  readonly ipfsIdentity: IpfsIdentity
  readonly pinning: Pinning
  readonly informers: readonly Informer[]
  /** Tells that this peer is alive. */
  readonly ping: Pick<Informer, 'name' | 'metrics'>
  readonly alerts: AlertHistory
  readonly repair: RepairLoop
  /** Takes a peer for a member that has just told who it is, when no ping of it is known. */
  readonly answered: (information: PeerInformation) => void
  /** They stop in the reverse order. */
  readonly components: readonly PeerComponent[]
}

/** Makes the components of a CRDT peer around the parts that it is given; nothing runs yet. */
export async function composePeer (configuration: Configuration, parts: PeerParts): Promise<Peer> {
  const { self, network, store, platform, hashing } = parts
  const { cluster: settings, consensus: { crdt }, monitor: { pubsubmon }, allocator: { balanced }, pinTracker: { stateless } } = configuration
  const { clock } = platform
  const stopping = new AbortController()
  const alerts = new AlertHistory(settings)
  const calls = rpcCalls({ network, platform })
  const monitor = new GossipMonitor({ network, codec: MetricMessage, checkIntervalMs: pubsubmon.checkIntervalMs, platform })
  const consensus = new CrdtConsensus({
    self,
    store,
    codec: PinMessage,
    datastoreNamespace: crdt.datastoreNamespace,
    trustedPeers: crdt.trustedPeers === 'all' ? ['*'] : crdt.trustedPeers,
    batching: { maxSize: crdt.batching.maxBatchSize, maxAgeMs: crdt.batching.maxBatchAgeMs, maxQueueSize: crdt.batching.maxQueueSize },
    members: () => monitor.latest(crdt.peersetMetric).map(metric => metric.peer),
    isFollower: settings.followerMode,
    platform,
    exchange: {
      network,
      clusterName: crdt.clusterName,
      rebroadcastIntervalMs: crdt.rebroadcastIntervalMs,
      repairIntervalMs: crdt.repairIntervalMs,
      reports: () => monitor.latest(digestMetricName),
      onDivergence: divergence => { alerts.diverged(divergence, clock.now()) },
    },
  })
  const ipfs = await parts.ipfs({
    sendMetrics: publishOnDemand(() => informers, monitor, platform, stopping.signal),
  })
  const ipfsIdentity = new IpfsIdentity(ipfs, clock)
  const tracker = statelessTracker({
    pinset: consensus.pinset(),
    changes: consensus.changes(),
    ipfs,
    store,
    self,
    peername: settings.peername,
    identity: () => ipfsIdentity.told(),
    options: stateless,
    platform,
  })
  const informers = informersOf(configuration, { self, ipfs, tracker, consensus, platform })
  const pinning = new Pinning({ consensus, allocator: balancedAllocator(balanced.allocateBy, platform.random), monitor, clock, loggers: platform.loggers, options: settings })
  const { maxBatchSize, maxBatchAgeMs } = crdt.batching
  const repair = new RepairLoop({
    self, consensus, pinning, monitor, calls, store, platform, settings: { ...settings, livenessMetric: crdt.peersetMetric, changesHeldMs: maxBatchSize > 0 ? maxBatchAgeMs : 0 },
  })
  const sorter = new StatusSorter({ store, codec: PinInfoMessage })
  const answered = (information: PeerInformation): void => { recordAnswer(monitor, information, clock.now(), settings.monitorPingIntervalMs) }
  const membership = new Membership({
    self, peername: settings.peername, network, consensus, calls, ipfsIdentity, clock, answered, vacate: (peer, options) => repair.vacate(peer, options),
  })
  const adder = dagAdder({
    self,
    hashing,
    destinations: {
      allocate: options => pinning.allocateBlocks(options),
      minHolders: options => pinning.factors(options).replicationFactorMin,
    },
    destinationFor: peer => ({ peer, putBlocks: (blocks, options) => peer === self ? ipfs.putBlocks(blocks, options) : calls.putBlocks(peer, blocks, options) }),
    pinRoot: async (cid, options, allocations, callOptions) => { await pinning.pinAllocated(cid, options, allocations, callOptions) },
    pinItem: async (pin, callOptions) => {
      const isNew = !await consensus.pinset().has(pin.cid)
      return { pin: await pinning.submit(pin, callOptions), isNew }
    },
    unpinItem: made => unpinMade(consensus, made),
    platform,
  })
  const cluster = new Cluster({
    self, peername: settings.peername, followerMode: settings.followerMode, network, calls, consensus, pinning, tracker, monitor, ipfs, membership, sorter, adder, alerts: () => alerts.list(), platform,
  })
  const service = peerService({ self, peername: settings.peername, membership, consensus, tracker, ipfs, clock })
  return {
    configuration, platform, network, calls, cluster, consensus, tracker, monitor, ipfs, ipfsIdentity, pinning, informers, alerts, repair, answered,
    ping: { name: 'ping', metrics: async () => [pingMetric(self, settings.peername, ipfsIdentity.last(), clock.now(), settings.monitorPingIntervalMs, repair.delayMs)] },
    components: [
      { doing: 'creating libp2p host', component: network, isSlow: true },
      { doing: 'creating Monitor component', component: monitor },
      { doing: 'setting up Consensus', component: consensus },
      { doing: 'preparing the datastore', component: sorter },
      { doing: 'creating IPFS Connector component', component: ipfs },
      { doing: 'creating PinTracker component', component: tracker },
      { doing: 'serving other peers', component: servePeers({ network, service, isTrusted: peer => consensus.isTrusted(peer), platform }) },
      { doing: 'stopping the threads that hash', component: { start: async () => {}, stop: async () => { await hashing?.stop() } } },
      { doing: 'stopping metrics', component: { start: async () => {}, stop: async () => { stopping.abort() } } },
    ],
  }
}
