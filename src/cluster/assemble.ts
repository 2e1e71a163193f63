import { balancedAllocator } from '../allocator/balanced.ts'
import type { BlockDestination } from '../adder/block-sink.ts'
import { dagAdder } from '../adder/dag-adder.ts'
import { MetricMessage, PinMessage } from '../codec/messages.ts'
import { consensusOf, type Configuration } from '../config/configuration.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { GossipMonitor } from '../monitor/gossip-monitor.ts'
import type { Platform, Startable } from '../platform/lifecycle.ts'
import { loneNetwork } from '../platform/lone-network.ts'
import type { Informer } from '../informer/informer.ts'
import { loneCalls } from '../rpc/peer-calls.ts'
import { statelessTracker } from '../tracker/stateless-tracker.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { AlertHistory } from './alert-history.ts'
import { Cluster } from './cluster.ts'
import { openDatastore } from './datastore.ts'
import { informersOf } from './informers.ts'
import { IpfsIdentity } from './ipfs-identity.ts'
import { ipfsNode } from './ipfs-node.ts'
import { Pinning } from './pin.ts'
import { publishOnce } from './metric-loops.ts'
import { readPing } from './ping.ts'

/** A peer's components, made but not started. */
export interface Peer {
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
  readonly components: ReadonlyArray<{ readonly doing: string, readonly component: Startable }>
}

/**
 * Makes the components of a peer from its configuration: the one place that names
 * implementations. The datastore is open when this returns.
 * @throws ClusterError of the datastore, `UNSUPPORTED` for Raft
 */
export async function assemblePeer (configuration: Configuration, self: PeerId, platform: Platform): Promise<Peer> {
  if (consensusOf(configuration) !== 'crdt') throw new ClusterError('UNSUPPORTED', 'Raft consensus is not in this version: make a CRDT peer with "ipfs-cluster-service init --consensus crdt" in another folder and move the pins with "state export" and "state import"')
  const { cluster: settings, consensus: { crdt }, monitor: { pubsubmon }, allocator: { balanced }, pinTracker: { stateless } } = configuration
  const { clock } = platform
  const network = loneNetwork(self)
  const monitor = new GossipMonitor({ network, codec: MetricMessage, checkIntervalMs: pubsubmon.checkIntervalMs, platform })
  const store = await openDatastore(configuration)
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
  const stopping = new AbortController()
  const ipfs = await ipfsNode(configuration, {
    otherNodes: async () => monitor.latest('ping').filter(ping => ping.peer !== self).flatMap(ping => readPing(ping).ipfsPeerAddresses ?? []),
    sendMetrics: () => { for (const informer of informers) publishOnce(informer, monitor, platform, stopping.signal).catch(() => {}) },
  }, platform)
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
  const alerts = new AlertHistory(settings)
  const adder = dagAdder({
    self,
    destinations: { allocate: async options => pinning.allocateBlocks(options) },
    destinationFor: (peer): BlockDestination => peer === self
      ? { peer, putBlocks: (blocks, options) => ipfs.putBlocks(blocks, options) }
      : { peer, putBlocks: (blocks, options) => loneCalls.putBlocks(peer, blocks, options) },
    pinRoot: async (cid, options, allocations, callOptions) => { await pinning.pinAllocated(cid, options, allocations, callOptions) },
    pinItem: async (pin, callOptions) => { await pinning.submit(pin, callOptions) },
    platform,
  })
  const cluster = new Cluster({
    self, peername: settings.peername, followerMode: settings.followerMode, network, calls: loneCalls, consensus, pinning, tracker, monitor, ipfs, ipfsIdentity, adder, alerts: () => alerts.list(), platform,
  })
  return {
    cluster, consensus, tracker, monitor, ipfs, ipfsIdentity, pinning, informers, alerts,
    components: [
      { doing: 'creating libp2p host', component: network },
      { doing: 'creating Monitor component', component: monitor },
      { doing: 'setting up Consensus', component: consensus },
      { doing: 'creating IPFS Connector component', component: ipfs },
      { doing: 'creating PinTracker component', component: tracker },
      { doing: 'stopping metrics', component: { start: async () => {}, stop: async () => { stopping.abort() } } },
    ],
  }
}
