import { balancedAllocator } from '../allocator/balanced.ts'
import { dagAdder } from '../adder/dag-adder.ts'
import { MetricMessage, PinInfoMessage, PinMessage } from '../codec/messages.ts'
import type { Configuration } from '../config/configuration.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Informer } from '../informer/informer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { GossipMonitor } from '../monitor/gossip-monitor.ts'
import type { Platform, Startable } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { Store } from '../platform/store.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { PeerService } from '../rpc/peer-service.ts'
import { statelessTracker } from '../tracker/stateless-tracker.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { AlertHistory } from './alert-history.ts'
import { Cluster } from './cluster.ts'
import { informersOf } from './informers.ts'
import { IpfsIdentity } from './ipfs-identity.ts'
import type { IpfsNodeHooks } from './ipfs-node.ts'
import { publishOnce } from './metric-loops.ts'
import { peerService } from './peer-service.ts'
import { Membership } from './peers.ts'
import { Pinning } from './pin.ts'
import { pingMetric, readPing } from './ping.ts'
import { StatusSorter } from './status-sorter.ts'

/** What differs between a peer of its own process, one of a test and one of the simulator. */
export interface PeerParts {
  readonly self: PeerId
  readonly network: Network
  /** Open; given away: the peer closes it. */
  readonly store: Store
  /** Makes the connector to the IPFS node. */
  readonly ipfs: (hooks: IpfsNodeHooks) => IpfsConnector | Promise<IpfsConnector>
  readonly calls: PeerCalls
  readonly platform: Platform
}

export interface PeerComponent {
  /** What its start does, as an error names it: `creating libp2p host`. */
  readonly doing: string
  readonly component: Startable
}

/** A peer's components, made but not started. */
export interface Peer {
  readonly configuration: Configuration
  readonly platform: Platform
  readonly network: Network
  readonly calls: PeerCalls
  /** What it does for other peers. */
  readonly service: PeerService
  readonly cluster: Cluster
  readonly consensus: CrdtConsensus
  readonly tracker: PinTracker
  readonly monitor: GossipMonitor
  readonly ipfs: IpfsConnector
  readonly ipfsIdentity: IpfsIdentity
  readonly pinning: Pinning
  readonly informers: readonly Informer[]
  readonly alerts: AlertHistory
  /** In the order in which they start; they stop in the reverse. */
  readonly components: readonly PeerComponent[]
}

/** Makes the components of a CRDT peer around the parts that it is given; nothing runs yet. */
export async function composePeer (configuration: Configuration, parts: PeerParts): Promise<Peer> {
  const { self, network, store, calls, platform } = parts
  const { cluster: settings, consensus: { crdt }, monitor: { pubsubmon }, allocator: { balanced }, pinTracker: { stateless } } = configuration
  const { clock } = platform
  const stopping = new AbortController()
  const monitor = new GossipMonitor({ network, codec: MetricMessage, checkIntervalMs: pubsubmon.checkIntervalMs, platform })
  const consensus = new CrdtConsensus({
    self,
    store,
    codec: PinMessage,
    datastoreNamespace: crdt.datastoreNamespace,
    trustedPeers: crdt.trustedPeers === 'all' ? ['*'] : crdt.trustedPeers,
    batching: { maxSize: crdt.batching.maxBatchSize, maxAgeMs: crdt.batching.maxBatchAgeMs },
    members: () => monitor.latest(crdt.peersetMetric).map(metric => metric.peer),
    platform,
  })
  const ipfs = await parts.ipfs({
    otherNodes: async () => otherNodes(monitor, self),
    sendMetrics: () => { for (const informer of informers) publishOnce(informer, monitor, platform, stopping.signal).catch(() => {}) },
  })
  const ipfsIdentity = new IpfsIdentity(ipfs, clock)
  const tracker = statelessTracker({
    pinset: consensus.pinset(),
    changes: consensus.changes(),
    ipfs,
    self,
    peername: settings.peername,
    identity: () => {
      const { id, addresses } = ipfsIdentity.last()
      return { ipfsPeerId: id, ipfsPeerAddresses: addresses }
    },
    options: stateless,
    platform,
  })
  const informers = informersOf(configuration, { self, ipfs, tracker, pinset: consensus.pinset(), platform })
  const pinning = new Pinning({ consensus, allocator: balancedAllocator(balanced.allocateBy), monitor, clock, options: settings })
  const alerts = new AlertHistory()
  const sorter = new StatusSorter({ store, codec: PinInfoMessage })
  const membership = new Membership({
    self,
    peername: settings.peername,
    network,
    consensus,
    calls,
    ipfsIdentity,
    clock,
    answered: ({ id, peername, ipfs: node }) => {
      if (!monitor.latest('ping').some(ping => ping.peer === id)) monitor.record(pingMetric(id, peername, node, clock.now(), settings.monitorPingIntervalMs))
    },
    vacate: async () => {},
  })
  const adder = dagAdder({
    self,
    destinations: { allocate: async options => pinning.allocateBlocks(options) },
    destinationFor: peer => ({ peer, putBlocks: (blocks, options) => peer === self ? ipfs.putBlocks(blocks, options) : calls.putBlocks(peer, blocks, options) }),
    pinRoot: async (cid, options, allocations, callOptions) => { await pinning.pinAllocated(cid, options, allocations, callOptions) },
    pinItem: async (pin, callOptions) => { await pinning.submit(pin, callOptions) },
    platform,
  })
  const cluster = new Cluster({
    self, peername: settings.peername, followerMode: settings.followerMode, network, calls, consensus, pinning, tracker, monitor, ipfs, membership, sorter, adder, alerts: () => alerts.list(), platform,
  })
  return {
    configuration, platform, network, calls, cluster, consensus, tracker, monitor, ipfs, ipfsIdentity, pinning, informers, alerts,
    service: peerService({ self, peername: settings.peername, membership, consensus, tracker, ipfs }),
    components: [
      { doing: 'creating libp2p host', component: network },
      { doing: 'creating Monitor component', component: monitor },
      { doing: 'setting up Consensus', component: consensus },
      { doing: 'preparing the datastore', component: sorter },
      { doing: 'creating IPFS Connector component', component: ipfs },
      { doing: 'creating PinTracker component', component: tracker },
      { doing: 'stopping metrics', component: { start: async () => {}, stop: async () => { stopping.abort() } } },
    ],
  }
}

/** Addresses of the other peers' IPFS nodes, as their pings tell. */
function otherNodes (monitor: GossipMonitor, self: PeerId): NonNullable<ReturnType<typeof readPing>['ipfsPeerAddresses']> {
  return monitor.latest('ping').filter(ping => ping.peer !== self).flatMap(ping => readPing(ping).ipfsPeerAddresses ?? [])
}
