import type { Connection, Libp2pEvents, PeerId as Libp2pPeerId, PeerInfo, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Bandwidth, Multiaddress, PeerId } from '../../domain/peer.ts'
import { timerMs } from '../../domain/time.ts'
import { within } from '../deadline.ts'
import type { CallOptions, Platform } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { BlockSource, GossipMessage, Network, PeerStream } from '../network.ts'
import { Bitswap } from '../bitswap/bitswap.ts'
import { dialledPeer, readAddress, servedAddresses } from './addresses.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { ConnectionTrimmer } from './connection-trimmer.ts'
import { Dht } from './dht.ts'
import { PeerDialler } from './peer-dialler.ts'
import { callFailure } from './failures.ts'
import { Gossip } from './gossip.ts'
import { HeldPorts } from './held-ports.ts'
import { makeHost, type Host } from './host.ts'
import { KnownPeers } from './known-peers.ts'
import { Listening } from './listening.ts'
import type { NetworkSettings } from './network-settings.ts'
import type { IsOfInternet } from './outside-components.ts'
import { isOpen, peerStream } from './peer-stream.ts'
import { RedialledPeers } from './redialled-peers.ts'
import { Strangers } from './strangers.ts'

export interface Libp2pNetworkOptions {
  /** What identity.json holds: the key is in libp2p's protobuf form. */
  readonly identity: { readonly id: PeerId, readonly privateKey: Uint8Array }
  /** The `cluster` section of the configuration. */
  readonly settings: NetworkSettings
  readonly platform: Platform
  /** Peers whose connections are not closed when there are too many. */
  readonly keptPeers?: readonly PeerId[]
  /** Which addresses are reached from everywhere; tests take those of loopback for such. */
  readonly isOfInternet?: IsOfInternet
}

/** Streams of one protocol to or from one peer: a busy peer has hundreds of calls on their way. */
const maxStreamsPerProtocol = 1_024

/** The real network between peers: libp2p as the reference's peers speak it (spec/wire.md 1-3, 8). */
export function libp2pNetwork (options: Libp2pNetworkOptions): Network {
  const { dialPeerTimeoutMs, mdnsIntervalMs } = options.settings
  return new Libp2pNetwork({ ...options, settings: { ...options.settings, dialPeerTimeoutMs: timerMs(dialPeerTimeoutMs), mdnsIntervalMs: timerMs(mdnsIntervalMs) } })
}

class Libp2pNetwork implements Network {
  readonly self: PeerId
  readonly #options: Libp2pNetworkOptions
  readonly #logger: Logger
  readonly #strangers: Strangers
  readonly #known: KnownPeers
  readonly #bandwidth: BandwidthCounter
  readonly #gossip: Gossip
  readonly #handlers = new Map<string, (stream: PeerStream) => void>()
  readonly #listeners = new Set<(peer: PeerId, isConnected: boolean) => void>()
  readonly #bitswap: Bitswap
  #source: BlockSource = async () => undefined
  readonly #connected = new Map<PeerId, Libp2pPeerId>()
  /** What each connected peer has said that it speaks (identify). */
  readonly #spoken = new Map<PeerId, ReadonlySet<string>>()
  readonly #streams = new Set<PeerStream>()
  readonly #dht = new Dht()
  readonly #heldPorts = new HeldPorts()
  #dhtStart: Promise<void> | undefined
  #trimmer: ConnectionTrimmer | undefined
  #dialler: PeerDialler | undefined
  #host: Host | undefined

  constructor (options: Libp2pNetworkOptions) {
    this.self = options.identity.id
    this.#options = options
    this.#logger = options.platform.loggers.component('p2p')
    this.#strangers = new Strangers(this.#logger, options.platform.clock)
    this.#known = new KnownPeers(this.self)
    this.#bandwidth = new BandwidthCounter(options.platform.clock)
    this.#gossip = new Gossip({ clock: options.platform.clock, network: this, floods: options.settings.pubsub.floodPublish, guard: (topic, work) => { this.#guard(`handling a message of ${topic}`, work) } })
    this.#bitswap = new Bitswap({ network: this, source: cid => this.#source(cid), platform: options.platform })
    this.#bitswap.start()
  }

  async listenEarly (): Promise<void> {
    await this.#heldPorts.hold(servedAddresses(this.#options.settings.listenMultiaddress))
  }

  async start (signal: AbortSignal): Promise<void> {
    const { identity, settings, platform, keptPeers } = this.#options
    this.#nameUnserved()
    const listening = new Listening()
    const host = await makeHost({
      privateKey: identity.privateKey,
      settings,
      platform,
      bandwidth: this.#bandwidth,
      heldPorts: this.#heldPorts,
      listening,
      peerRouting: this.#dht,
      isOfInternet: this.#options.isOfInternet,
      onLocalPeer: peer => this.#reach(peer),
      onStranger: (address, isCertain) => {
        this.#strangers.log(address, isCertain ? `refused ${address}: it does not have the cluster secret` : `${address} hung up before it said anything: it seems not to have the cluster secret`)
      },
    })
    signal.throwIfAborted()
    this.#host = host
    this.#dialler = new PeerDialler({ host, known: this.#known, dht: this.#dht, clock: platform.clock, timeoutMs: settings.dialPeerTimeoutMs })
    for (const protocol of this.#handlers.keys()) await this.#serve(host, protocol)
    this.#listen(host)
    const kept = new Set(keptPeers)
    const isKept = (peer: Libp2pPeerId): boolean => kept.has(peer.toString() as PeerId)
    const redialled = new RedialledPeers({ host, limits: settings.connectionManager, isKept, clock: platform.clock })
    try {
      await host.start()
      for (const line of listening.missing(servedAddresses(settings.listenMultiaddress))) this.#logger.error(line)
      this.#gossip.start(host)
      this.#trimmer = new ConnectionTrimmer({
        host, limits: settings.connectionManager, clock: platform.clock,
        isKept: peer => isKept(peer) || host.services.autoRelay?.isRelay(peer) === true,
        release: peer => redialled.release(peer),
      })
    } catch (error) {
      this.#host = undefined
      this.#heldPorts.release()
      await host.stop()
      throw error
    }
    platform.clock.soon(() => {
      this.#dhtStart = this.#dht.attach(host, platform.clock).catch((error: unknown) => { this.#logger.error(`peers whose addresses are not known cannot be found: ${errorText(error)}`) })
    })
  }

  #nameUnserved (): void {
    const { listenMultiaddress } = this.#options.settings
    const served = servedAddresses(listenMultiaddress)
    const others = listenMultiaddress.filter(address => !served.includes(address))
    if (others.length === 0) return
    const line = `not listening on ${others.join(', ')}: only TCP and WebSocket can carry a private network`
    if (served.length > 0) this.#logger.info(line)
    else this.#logger.warn(`${line}; no other peer can dial this one`)
  }

  async stop (): Promise<void> {
    const host = this.#host
    this.#host = undefined
    this.#heldPorts.release()
    // libp2p would end them in order, and what was sent until now would pass for the whole.
    for (const stream of this.#streams) stream.reset()
    this.#gossip.stop()
    this.#bitswap.stop()
    this.#trimmer?.stop()
    this.#dialler?.stop()
    await this.#dht.detach()
    await this.#dhtStart
    await host?.stop()
    this.#connected.clear()
  }

  addresses (): readonly Multiaddress[] {
    return this.#host?.getMultiaddrs().flatMap(address => readAddress(address.toString()) ?? []) ?? []
  }

  peers (): readonly PeerId[] {
    return [...this.#connected.keys()]
  }

  knownAddresses (peer: PeerId): readonly Multiaddress[] { return this.#known.addresses(peer) }

  knownPeers (): readonly PeerId[] { return this.#known.peers() }

  async remember (addresses: readonly Multiaddress[]): Promise<void> {
    for (const address of addresses) this.#known.add(address, true)
  }

  async connect (address: Multiaddress, { signal }: CallOptions): Promise<PeerId> {
    const host = this.#started()
    const { multiaddr } = await import('@multiformats/multiaddr')
    // To dial it is no news of where the peer is.
    if (!this.#known.has(address)) this.#known.add(address, false)
    try {
      const connection = await this.#dial(host, [multiaddr(address)], { ...(signal !== undefined && { signal }) })
      const peer = connection.remotePeer.toString() as PeerId
      if (connection.limits === undefined) await this.#gossip.linked(peer, signal)
      return peer
    } catch (error) {
      throw callFailure(error, signal, `failed to dial ${dialledPeer(address) ?? address}`)
    }
  }

  onPeer (listener: (peer: PeerId, isConnected: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  handle (protocol: string, handler: (stream: PeerStream) => void): () => void {
    this.#handlers.set(protocol, handler)
    if (this.#host !== undefined) this.#serve(this.#host, protocol).catch(() => {})
    return () => {
      if (this.#handlers.get(protocol) !== handler) return
      this.#handlers.delete(protocol)
      this.#host?.unhandle(protocol).catch(() => {})
    }
  }

  speaks (peer: PeerId, protocol: string): boolean { return this.#spoken.get(peer)?.has(protocol) === true }

  async open (peer: PeerId, protocol: string, { signal }: CallOptions): Promise<PeerStream> {
    const host = this.#started()
    signal?.throwIfAborted()
    let connection: Connection
    try {
      connection = await this.#connection(host, peer, signal)
    } catch (error) {
      throw callFailure(error, signal, `failed to dial ${peer}`)
    }
    try {
      return this.#track(await connection.newStream([protocol], { maxOutboundStreams: maxStreamsPerProtocol, runOnLimitedConnection: true, ...(signal !== undefined && { signal }) }), peer)
    } catch (error) {
      throw callFailure(error, signal, `cannot open a stream of ${protocol} to ${peer}`)
    }
  }

  publish (topic: string, data: Uint8Array): Promise<void> { return this.#gossip.publish(topic, data) }

  subscribe (topic: string, handler: (message: GossipMessage) => void, accept?: (from: PeerId) => boolean): () => void {
    return this.#gossip.subscribe(topic, handler, accept)
  }

  serveBlocks (source: BlockSource): void { this.#source = source }

  fetchBlock (cid: CID, options: CallOptions & { readonly from?: PeerId | undefined }): Promise<Uint8Array> { return this.#bitswap.fetch(cid, options) }

  announceBlock (cid: CID): void { this.#bitswap.announce(cid) }

  bandwidth (): Record<string, Bandwidth> { return this.#bandwidth.read() }

  #started (): Host {
    if (this.#host === undefined) throw new ClusterError('PEER_UNREACHABLE', 'the network of this peer is not started')
    return this.#host
  }

  #serve (host: Host, protocol: string): Promise<void> {
    return host.handle(protocol, (stream, connection) => {
      const served = this.#track(stream, connection.remotePeer.toString() as PeerId)
      const handler = this.#handlers.get(protocol)
      if (handler === undefined) served.reset()
      else handler(served)
    }, { maxInboundStreams: maxStreamsPerProtocol, maxOutboundStreams: maxStreamsPerProtocol, runOnLimitedConnection: true })
  }

  /** An error of a listener would end the process: libp2p calls it from the midst of its own work. */
  #guard (what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#logger.error({ error: errorText(error) }, `${what} failed`)
    }
  }

  #track (stream: Stream, peer: PeerId): PeerStream {
    const tracked = peerStream(stream, peer)
    // The other side may have reset it meanwhile: nothing tells of its end then.
    if (!isOpen(stream)) return tracked
    this.#streams.add(tracked)
    stream.addEventListener('close', () => { this.#streams.delete(tracked) })
    return tracked
  }

  #listen (host: Host): void {
    const tell = (isConnected: boolean) => ({ detail }: CustomEvent<Libp2pPeerId>) => {
      const peer = detail.toString() as PeerId
      if (isConnected) this.#connected.set(peer, detail)
      else {
        this.#connected.delete(peer)
        this.#spoken.delete(peer)
      }
      for (const listener of this.#listeners) this.#guard('a listener for peers', () => { listener(peer, isConnected) })
    }
    host.addEventListener('peer:connect', tell(true))
    host.addEventListener('peer:disconnect', tell(false))
    host.addEventListener('peer:identify', ({ detail: { peerId, protocols } }) => {
      const peer = peerId.toString() as PeerId
      if (this.#connected.has(peer) && protocols.length > 0) this.#spoken.set(peer, new Set(protocols))
    })
    host.addEventListener('peer:update', ({ detail: { peer } }: Libp2pEvents['peer:update']) => {
      for (const { multiaddr } of peer.addresses) this.#learn(peer.id, multiaddr.toString())
    })
  }

  async #reach ({ id, multiaddrs }: PeerInfo): Promise<void> {
    const host = this.#host
    if (host === undefined || host.getConnections(id).length > 0) return
    const addresses = multiaddrs.map(address => address.encapsulate(`/p2p/${id.toString()}`))
    // Most often a peer of another cluster, to which there is nothing to say.
    await this.#dial(host, addresses, {}).catch(() => {})
  }

  #learn (peer: Libp2pPeerId, text: string): void {
    const address = readAddress(/\/p2p\/[^/]+$/.test(text) ? text : `${text}/p2p/${peer.toString()}`)
    // Where others are it is not for this peer to say.
    if (address !== undefined && dialledPeer(address) === peer.toString()) this.#known.add(address, false)
  }

  /** A direct connection if there is one, else one through a relay, which is limited in bytes and time; else a new one. */
  async #connection (host: Host, peer: PeerId, signal: AbortSignal | undefined): Promise<Connection> {
    const connected = this.#connected.get(peer)
    const open = connected === undefined ? [] : host.getConnections(connected).filter(({ status }) => status === 'open')
    return open.find(({ limits }) => limits === undefined) ?? open[0] ?? (this.#dialler as PeerDialler).dial(peer, signal)
  }

  #dial (host: Host, addresses: Multiaddr[], options: CallOptions): Promise<Connection> {
    const { platform: { clock }, settings } = this.#options
    return within(clock, settings.dialPeerTimeoutMs, options, limited => host.dial(addresses, limited))
  }
}
