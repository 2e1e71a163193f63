import type { ConnectionEncrypter, DialTransportOptions, Libp2p, PeerInfo, PeerRouting, Transport } from '@libp2p/interface'
import type { GossipSub } from '@libp2p/gossipsub'
import type { Datastore } from 'interface-datastore'
import type { Multiaddr } from '@multiformats/multiaddr'
import { ClusterError } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import type { Platform } from '../lifecycle.ts'
import { announceFilter, byDialOrder, isLoopback, isOfInternet, servedAddresses, usesWebSockets } from './addresses.ts'
import type { AutoRelay } from './auto-relay.ts'
import type { BandwidthCounter } from './bandwidth.ts'
import { fastNoise } from './fast-noise.ts'
import { gossipOptions } from './gossip-options.ts'
import { HeldPorts } from './held-ports.ts'
import { loadHostModules } from './host-modules.ts'
import { Listening } from './listening.ts'
import { localPeers } from './local-peers.ts'
import type { NetworkSettings } from './network-settings.ts'
import type { IsOfInternet, NodeAddress, OutsideComponents } from './outside-components.ts'
import { dialInParallel } from './parallel-dials.ts'
import { patientMuxer } from './patient-muxer.ts'
import { PeerRecords } from './peer-records.ts'
import type { PrivateNetworkOptions } from './private-network.ts'
import { signingKey } from './signing-key.ts'
import { silentLibp2pLogger } from './silent-libp2p-logger.ts'
import { streamWindowBytes } from './stream-window.ts'
import { limitWebSockets, type WebSocketLimits } from './websocket-limits.ts'

/** Our libp2p with its services: the second is not there on a peer that only its own machine can dial. */
export type Host = Libp2p<{ readonly pubsub: GossipSub, readonly autoRelay?: AutoRelay }>

export interface HostOptions {
  /** The private key in libp2p's protobuf form. */
  readonly privateKey: Uint8Array
  readonly settings: NetworkSettings
  readonly bandwidth: BandwidthCounter
  /** Finds peers whose addresses are not known. */
  readonly peerRouting: PeerRouting
  readonly platform: Platform
  /** What is listened on already. */
  readonly heldPorts?: HeldPorts | undefined
  /** Is told where the host listens. */
  readonly listening?: Listening | undefined
  readonly onStranger: PrivateNetworkOptions['onStranger']
  /** Told of peers that announce themselves on the local network; resolves when it has done with one. */
  readonly onLocalPeer: (peer: PeerInfo) => Promise<void> | void
  /** Which addresses are reached from everywhere; tests take those of loopback for such. */
  readonly isOfInternet?: IsOfInternet | undefined
}

/** As the reference names itself: some tools look for it. */
const agentVersion = 'github.com/ipfs-cluster/ipfs-cluster@'
/** How libp2p knows a transport; its own constant would load all of it. */
const transportSymbol = Symbol.for('@libp2p/transport')
/** A connection takes some file handle and memory: this many are let in whatever the limits say (as the reference). */
const minInboundConnections = 800
/** Handshakes at a time: after an outage all peers of a cluster come at once. */
const maxPendingConnections = 256
/** Connections a second from one address: many peers may sit behind one. */
const inboundPerSecond = 256
/** A handshake or a choice of protocols that takes longer is given up. */
const negotiationTimeoutMs = 10_000
/** How often each connection is tried. A peer that does not answer in time is cut off, so that its streams end. */
const connectionCheckMs = 15_000
const minCheckTimeoutMs = 10_000
/** What libp2p may hold for a stream that nobody reads yet: more than a window, so that the sender never breaks the limit. */
const maxReadBufferBytes = 4 * 1024 * 1024
/** Streams of one connection, all protocols together: a busy peer has hundreds of calls on their way. */
const maxStreams = 4_096

/**
 * Makes the libp2p host of a cluster peer; it is not started (spec/wire.md 2, spec/components.md 9).
 * @throws ClusterError `INVALID_CONFIGURATION` when it cannot be made
 */
export async function makeHost (options: HostOptions): Promise<Host> {
  const { settings, privateKey, peerRouting, bandwidth, heldPorts = new HeldPorts(), listening = new Listening() } = options
  const listen = servedAddresses(settings.listenMultiaddress)
  const { createLibp2p, privateKeyFromProtobuf, tcp, noise, yamux, identify, identifyPush, ping, gossipsub, FaultTolerance } = await loadHostModules(options.platform.clock)
  const outside = await partsForOutside(options, listen, listening)
  const isAnnounced = announceFilter(settings.noAnnounceMultiaddress)
  const peerRecords = new PeerRecords()
  const host = await createLibp2p({
    privateKey: signingKey(privateKeyFromProtobuf(privateKey)),
    nodeInfo: { userAgent: agentVersion },
    addresses: {
      listen,
      announce: [...settings.announceMultiaddress],
      announceFilter: addresses => addresses.filter(address => isAnnounced(address.toString())),
    },
    transports: [components => listening.over(heldPorts.over(tcp()(components))), ...outside.transports],
    // Whether it listens where it should is seen by whoever starts it.
    transportManager: { faultTolerance: FaultTolerance.NO_FATAL },
    connectionEncrypters: [fastNoise(noise), lazyTls],
    streamMuxers: [patientMuxer(yamux({
      maxInboundStreams: maxStreams,
      maxOutboundStreams: maxStreams,
      streamOptions: { maxStreamWindowSize: streamWindowBytes, maxReadBufferLength: maxReadBufferBytes },
    }))],
    ...(settings.secret.length === 0 ? {} : { connectionProtector: (await import('./private-network.ts')).privateNetwork({ secret: settings.secret, clock: options.platform.clock, random: options.platform.random, onStranger: options.onStranger }) }),
    connectionManager: {
      maxConnections: maxConnections(settings),
      maxIncomingPendingConnections: maxPendingConnections,
      inboundConnectionThreshold: inboundPerSecond,
      dialTimeout: settings.dialPeerTimeoutMs,
      addressDialTimeout: settings.dialPeerTimeoutMs,
      addressSorter: (a, b) => byDialOrder(a.multiaddr.toString(), b.multiaddr.toString()),
      inboundUpgradeTimeout: negotiationTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: negotiationTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: negotiationTimeoutMs,
    },
    connectionMonitor: { pingInterval: connectionCheckMs, pingTimeout: { minTimeout: minCheckTimeoutMs } },
    datastore: peerRecords as Partial<Datastore> as Datastore,
    peerRouters: [() => peerRouting],
    peerDiscovery: settings.mdnsIntervalMs > 0 && !listen.every(isLoopback) ? [await localPeers(settings.mdnsIntervalMs, options.platform.random, options.onLocalPeer)] : [],
    metrics: () => bandwidth.metrics,
    logger: silentLibp2pLogger,
    services: { identify: identify(), identifyPush: identifyPush(), ping: ping(), pubsub: gossipsub(gossipOptions(settings)), ...outside.services },
    start: false,
  })
  peerRecords.follow(host)
  dialInParallel(host, options.platform.clock)
  spareProtocolNotes(host)
  announceAllListened(host)
  return host
}

/**
 * libp2p announces an address of the Internet on which the host listens only when four peers in
 * four networks have reached it there. The reference announces it at once: peers must be told
 * where they find a peer that has a public address, also in a cluster of two.
 */
function announceAllListened (host: Host): void {
  const { components: { addressManager } } = host as unknown as { readonly components: OutsideComponents }
  const list = addressManager.getAddressesWithMetadata.bind(addressManager)
  addressManager.getAddressesWithMetadata = () => list().map((address): NodeAddress => address.type === 'transport' ? { ...address, verified: true } : address)
}

/**
 * libp2p notes with each new stream that its peer speaks the protocol: locks, decodes and encodes
 * all that it knows of the peer. Once for each connected peer and protocol is enough.
 */
function spareProtocolNotes (host: Host): void {
  const { peerStore } = host
  const noted = new Map<string, Set<string>>()
  const merge = peerStore.merge.bind(peerStore)
  peerStore.merge = async (peer, data, options) => {
    const [protocol, ...others] = data.protocols ?? []
    if (protocol === undefined || others.length > 0 || Object.keys(data).length > 1) return merge(peer, data, options)
    const protocols = noted.get(peer.toString()) ?? new Set()
    if (protocols.has(protocol)) return { id: peer, addresses: [], protocols: [], metadata: new Map(), tags: new Map() }
    if (host.getConnections(peer).length > 0) noted.set(peer.toString(), protocols.add(protocol))
    return merge(peer, data, options)
  }
  host.addEventListener('peer:disconnect', ({ detail }) => { noted.delete(detail.toString()) })
}

/** The reference's rule: one for each MiB of the memory limit, at least twice the high water mark. */
function maxConnections ({ resourceManager, connectionManager }: NetworkSettings): number {
  if (!resourceManager.enabled) return Number.MAX_SAFE_INTEGER
  const byMemory = resourceManager.memoryLimitBytes === 0 ? minInboundConnections : resourceManager.memoryLimitBytes / 2 ** 20
  const byFiles = resourceManager.fileDescriptorsLimit === 0 ? Number.MAX_SAFE_INTEGER : resourceManager.fileDescriptorsLimit
  return Math.max(1, Math.min(byFiles, Math.max(minInboundConnections, byMemory, 2 * connectionManager.highWater)))
}

// The maps of libp2p's parts are open: each brings its own type.
interface OutsideParts { readonly services: Record<string, never>, readonly transports: never[] }

/** What helps peers behind a router to be reached. A peer that listens on its own machine alone has no use for it. */
async function partsForOutside ({ settings, platform, isOfInternet: isOutside }: HostOptions, listen: readonly Multiaddress[], listening: Listening): Promise<OutsideParts> {
  const limits: WebSocketLimits = { clock: platform.clock, hasSecret: settings.secret.length > 0 }
  const makeWebSockets = listen.some(usesWebSockets) ? await loadWebSockets(limits) : lazyWebSockets(limits)
  const webSockets = (components: unknown): Transport => listening.over(makeWebSockets(components))
  const isAlone = listen.every(isLoopback)
  if (isAlone && isOutside === undefined) return { services: {}, transports: [webSockets as never] }
  const { outsideParts } = await import('./outside.ts')
  if (!isAlone) await (await import('./router-messages.ts')).surviveRouterMessages()
  const { services, transport } = outsideParts({ platform, enableRelayHop: settings.enableRelayHop, mapsPorts: !isAlone, isOfInternet: isOutside ?? isOfInternet })
  return { services: services as Record<string, never>, transports: [webSockets as never, transport as never] }
}

async function loadWebSockets (limits: WebSocketLimits): Promise<(components: unknown) => Transport> {
  const { webSockets } = await import('@libp2p/websockets')
  return limitWebSockets(webSockets() as (components: unknown) => Transport, limits)
}

/** For a peer that does not listen for WebSockets: they are loaded when one is dialled. */
function lazyWebSockets (limits: WebSocketLimits): (components: unknown) => Transport {
  return components => {
    let loaded: Promise<Transport> | undefined
    const load = (): Promise<Transport> => loaded ??= loadWebSockets(limits).then(make => make(components))
    return {
      [transportSymbol]: true,
      [Symbol.toStringTag]: 'lazy WebSockets',
      dialFilter: (addresses: Multiaddr[]) => addresses.filter(address => usesWebSockets(address.toString() as Multiaddress)),
      listenFilter: () => [],
      createListener: () => { throw new ClusterError('INTERNAL', 'this transport only dials') },
      dial: async (address: Multiaddr, options: DialTransportOptions) => (await load()).dial(address, options),
    } as unknown as Transport
  }
}

/** TLS brings a certificate library that takes a tenth of a second to load, and peers choose Noise first. */
function lazyTls (components: unknown): ConnectionEncrypter {
  let loaded: Promise<ConnectionEncrypter> | undefined
  const load = (): Promise<ConnectionEncrypter> => loaded ??= import('@libp2p/tls').then(({ tls }) => (tls() as (components: unknown) => ConnectionEncrypter)(components))
  return {
    protocol: '/tls/1.0.0',
    secureInbound: async (connection, options) => (await load()).secureInbound(connection, options),
    secureOutbound: async (connection, options) => (await load()).secureOutbound(connection, options),
  }
}
