import type { Ed25519PrivateKey, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { multiaddressPeer, parseMultiaddress } from '../../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import type { Clock } from '../../platform/clock.ts'
import { dialInParallel, maxDialsPerStranger } from '../../platform/libp2p/parallel-dials.ts'
import { limitWebSockets } from '../../platform/libp2p/websocket-limits.ts'
import type { Logger } from '../../platform/logger.ts'
import { startBitswap } from './bitswap.ts'
import type { BlockStore } from './block-store.ts'
import { publicNetworkParts } from './public-network.ts'
import { Slots } from './slots.ts'

export interface IpfsHostOptions {
  readonly folder: string
  readonly key: Ed25519PrivateKey
  readonly store: BlockStore
  readonly listenAddresses: readonly Multiaddress[]
  readonly announceAddresses: readonly Multiaddress[]
  /** Nodes to be connected to from the start on. */
  readonly bootstrap: readonly Multiaddress[]
  readonly publicNetwork: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** The node as other IPFS nodes see it. */
export interface IpfsHost {
  readonly peerId: PeerId
  /** `js-libp2p/… node/…`. */
  readonly userAgent: string
  addresses (): Multiaddress[]
  peers (): PeerId[]
  /** Dials each peer named in the addresses; resolves when all have answered or failed. What failed is only logged. */
  connect (addresses: readonly Multiaddress[], signal: AbortSignal): Promise<void>
  /** Asks connected nodes, and in the public network those that others name, for a block. */
  retrieve (cid: CID, signal: AbortSignal): Promise<Uint8Array>
  /** Tells nodes that wait for the block that it is here. */
  announce (cid: CID): void
  /** Tells the public network that this content is here; does nothing outside of it. */
  provide (cid: CID): void
  stop (): Promise<void>
}

/** Time for one peer to answer a dial. */
const dialTimeoutMs = 10_000
/** Peers dialled at a time. */
const dialsAtOnce = 16
/** Connections a second from one address: the peers of a cluster may share a machine. */
const inboundPerSecond = 100

/**
 * Starts a libp2p host of its own. It dials nobody unless told to: there is no bootstrap, DHT,
 * gateway, delegated routing or mDNS outside of the public network.
 * @throws ClusterError `ADDRESS_IN_USE`, `INVALID_CONFIGURATION`
 */
export async function startIpfsHost (options: IpfsHostOptions): Promise<IpfsHost> {
  const { listenAddresses, announceAddresses, clock, logger, publicNetwork, bootstrap } = options
  for (const address of listenAddresses) checkTransport(address)
  const [{ createLibp2p }, { tcp }, { webSockets }, { noise }, { yamux }, { identify }, { ping }, { userAgent }, { multiaddr }] = await Promise.all([
    import('libp2p'), import('@libp2p/tcp'), import('@libp2p/websockets'), import('@libp2p/noise'), import('@libp2p/yamux'),
    import('@libp2p/identify'), import('@libp2p/ping'), import('libp2p/user-agent'), import('@multiformats/multiaddr'),
  ])
  const agent = userAgent()
  const outside = await publicNetworkParts({ folder: options.folder, bootstrap, publicNetwork })
  const libp2p = await createLibp2p({
    privateKey: options.key,
    addresses: { listen: [...listenAddresses], announce: [...announceAddresses] },
    nodeInfo: { userAgent: `flotilla ${agent}` },
    transports: [tcp(), limitWebSockets(webSockets(), { clock, hasSecret: false })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: inboundPerSecond },
    services: { identify: identify(), ping: ping(), ...outside.services },
    peerDiscovery: outside.peerDiscovery,
    ...(outside.datastore === undefined ? {} : { datastore: outside.datastore }),
    start: false,
  })
  dialInParallel(libp2p, clock, maxDialsPerStranger)
  const stop = async (): Promise<void> => {
    await libp2p.stop()
    await outside.close()
  }
  try {
    await libp2p.start()
    const bitswap = await startBitswap({ libp2p, store: options.store, findProviders: (cid, signal) => outside.findProviders(libp2p, cid, signal, clock) })
    return {
      peerId: libp2p.peerId.toString() as PeerId,
      userAgent: agent,
      addresses: () => libp2p.getMultiaddrs().map(address => parseMultiaddress(address.toString())),
      peers: () => libp2p.getPeers().map(peer => peer.toString() as PeerId),
      connect: (addresses, signal) => connectAll(libp2p, addresses, signal, multiaddr, logger, clock),
      retrieve: bitswap.retrieve,
      announce: cid => { if (libp2p.getPeers().length > 0) bitswap.announce(cid) },
      provide: cid => { outside.provide(libp2p, cid, logger) },
      stop: async () => {
        await bitswap.stop()
        await stop()
      },
    }
  } catch (error) {
    await stop().catch(() => {})
    throw startFailure(error, listenAddresses)
  }
}

function checkTransport (address: Multiaddress): void {
  if (/^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+(\/ws)?(\/p2p\/[^/]+)?$/.test(address)) return
  throw new ClusterError('INVALID_CONFIGURATION', `the embedded IPFS node cannot listen on ${address}: use an address such as /ip4/127.0.0.1/tcp/4001 or /ip4/127.0.0.1/tcp/4002/ws`)
}

function startFailure (error: unknown, listenAddresses: readonly Multiaddress[]): ClusterError {
  if (error instanceof ClusterError) return error
  const causes = [error, ...(error instanceof AggregateError ? error.errors : []), (error as { cause?: unknown }).cause]
  const text = causes.map(errorText).join(': ')
  const addresses = listenAddresses.join(', ')
  if (/EADDRINUSE/.test(text)) return new ClusterError('ADDRESS_IN_USE', `the embedded IPFS node cannot listen on ${addresses}: another program does; choose another address for it`, { cause: error })
  return new ClusterError('INVALID_CONFIGURATION', `the embedded IPFS node cannot start on ${addresses}: ${errorText(error)}`, { cause: error })
}

async function connectAll (libp2p: Libp2p, addresses: readonly Multiaddress[], signal: AbortSignal, parse: (text: string) => Multiaddr, logger: Logger, clock: Clock): Promise<void> {
  const byPeer = new Map<string, Multiaddress[]>()
  for (const address of addresses) {
    const peer = multiaddressPeer(address) ?? address
    if (peer === libp2p.peerId.toString()) continue
    byPeer.set(peer, [...byPeer.get(peer) ?? [], address])
  }
  const slots = new Slots(dialsAtOnce)
  await Promise.all([...byPeer].map(([peer, list]) => slots.run(signal, async () => {
    const late = new AbortController()
    const abort = (): void => { late.abort() }
    const cancelTimer = clock.after(dialTimeoutMs, abort)
    signal.addEventListener('abort', abort)
    try {
      await libp2p.dial(list.map(address => parse(address)), { signal: late.signal })
    } catch (error) {
      signal.throwIfAborted()
      logger.debug({ peer, error: errorText(error) }, 'an IPFS node cannot be reached')
    } finally {
      cancelTimer()
      signal.removeEventListener('abort', abort)
    }
  })))
}
