import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { cidFromBytes, cidToBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { openLevelDbStore } from '../../platform/leveldb-store.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { BlockExchange } from './block-exchange.ts'
import { BlockStore } from './block-store.ts'
import { blockKey, cidParts, identityHash } from './cid-parts.ts'
import type { Gateway } from './gateway.ts'
import type { IpfsHost } from './ipfs-host.ts'
import { loadNodeKey } from './node-identity.ts'
import { Pinner } from './pinner.ts'
import { PinSet } from './pin-set.ts'
import { blockRepairs } from './block-repairs.ts'

export interface EmbeddedConnectorOptions {
  /** Folder of the blocks, the pins and the node's own key; made when absent. */
  readonly folder: string
  /** Largest size of the blocks on disk, in bytes. */
  readonly storageMaxBytes: number
  /** Where other IPFS nodes can reach this one (TCP, WebSocket); empty for nowhere. */
  readonly listenAddresses: readonly Multiaddress[]
  /** What other nodes are told instead of the addresses it listens on. */
  readonly announceAddresses?: readonly Multiaddress[]
  /** Whether to join the public IPFS network: find content there and offer what is pinned. */
  readonly publicNetwork: boolean
  /** IPFS nodes to be connected to from the start on; in the public network, none means its usual entrances. */
  readonly bootstrap: readonly Multiaddress[]
  /** A pin that gets no block for this long has failed; 0 for no limit, here and below. */
  readonly pinTimeoutMs: number
  readonly unpinTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Time for a garbage collection; no limit when absent. */
  readonly collectionTimeoutMs?: number
  /** Where content can be read over HTTP; '' for nowhere. */
  readonly gatewayAddress: Multiaddress | ''
  /** How long blocks that were put are left alone by garbage collection, so that their pin can come; one minute when absent. */
  readonly putLeaseMs?: number
}

/** What a started node holds. */
export interface NodeParts {
  readonly store: BlockStore
  readonly pins: PinSet
  readonly host: IpfsHost
  readonly exchange: BlockExchange
  readonly pinner: Pinner
  readonly gateway: Gateway | undefined
  /** Folder for what walks of DAGs cannot hold in memory. */
  readonly walkFolder: string
  /** A block of the store, else from connected nodes. */
  readonly read: (cid: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>
  readonly close: () => Promise<void>
}

const defaultPutLeaseMs = 60_000

/**
 * Opens the stores, then the network, then the gateway; when one fails, what was opened is closed.
 * @throws ClusterError `FOLDER_LOCKED`, `STORE_DAMAGED`, `STORE_FULL`, `STORE_FAILED`,
 *   `INVALID_IDENTITY`, `INVALID_CONFIGURATION`, `ADDRESS_IN_USE`
 */
export async function openNodeParts (options: EmbeddedConnectorOptions, platform: Platform): Promise<NodeParts> {
  const { clock, loggers } = platform
  const logger = loggers.component('ipfs')
  const opened: Array<() => Promise<void>> = []
  const close = async (): Promise<void> => {
    for (const each of opened.toReversed()) await each()
    opened.length = 0
  }
  try {
    await makeFolder(options.folder)
    // The network is heavy to load: that goes on while the stores open.
    const network = import('./ipfs-host.ts')
    network.catch(() => {})
    let bringAgain: (key: string) => void = () => {}
    const store = await BlockStore.open({
      folder: join(options.folder, 'blocks'),
      storageMaxBytes: options.storageMaxBytes,
      putLeaseMs: options.putLeaseMs ?? defaultPutLeaseMs,
      onGivenUp: key => { bringAgain(key) },
      clock,
      logger,
    })
    opened.push(() => store.close())
    const pins = new PinSet(await openLevelDbStore(join(options.folder, 'pins')))
    opened.push(() => pins.close())
    const walkFolder = join(options.folder, 'walks')
    await rm(walkFolder, { recursive: true, force: true })
    await mkdir(walkFolder, { mode: 0o700 })

    const { startIpfsHost } = await network
    const host = await startIpfsHost({
      folder: options.folder,
      key: await loadNodeKey(options.folder, platform.random),
      store,
      listenAddresses: options.listenAddresses,
      announceAddresses: options.announceAddresses ?? [],
      bootstrap: options.bootstrap,
      publicNetwork: options.publicNetwork,
      clock,
      logger,
    })
    opened.push(() => host.stop())
    const exchange = new BlockExchange({ store, clock, logger, retrieve: host.retrieve, onStored: host.announce })
    const repairs = blockRepairs(exchange, host, clock)
    bringAgain = repairs.begin
    opened.push(() => repairs.stop())
    const provide = (cid: Cid): void => { host.provide(CID.decode(cidToBytes(cid))) }
    const pinner = new Pinner({ store, pins, exchange, clock, walkFolder, pinTimeoutMs: options.pinTimeoutMs, onPinned: provide })
    const read = blockReader(store, exchange)
    const gateway = options.gatewayAddress === '' ? undefined : await openGateway(options.gatewayAddress)
    if (gateway !== undefined) opened.push(() => gateway.close())
    return { store, pins, host, exchange, pinner, gateway, walkFolder, read, close }

    async function openGateway (address: Multiaddress): Promise<Gateway> {
      const { startGateway } = await import('./gateway.ts')
      return startGateway({ address, store, read: gatewayReader(store, read, () => options.publicNetwork || host.peers().length > 0), walkFolder, clock, logger, blockTimeoutMs: options.requestTimeoutMs })
    }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

async function makeFolder (folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new ClusterError('STORE_FAILED', `the folder of the embedded IPFS node cannot be made: ${(error as Error).message}`, { cause: error })
  }
}

function blockReader (store: BlockStore, exchange: BlockExchange): NodeParts['read'] {
  return async (cid, signal) => {
    const parts = cidParts(cid)
    if (parts.hashCode === identityHash) return parts.digest
    const bytes = await store.read(blockKey(parts.multihash))
    return bytes ?? (await exchange.fetch(cid, signal)).bytes
  }
}

/** As `read`, but what no other node can give is refused at once: people wait for the answer. */
function gatewayReader (store: BlockStore, read: NodeParts['read'], isConnected: () => boolean): NodeParts['read'] {
  return async (cid, signal) => {
    const { hashCode, multihash } = cidParts(cid)
    if (hashCode === identityHash || isConnected() || await store.has(blockKey(multihash))) return read(cid, signal)
    throw new ClusterError('NOT_FOUND', `block ${cidFromBytes(cid)} is not on this IPFS node, and it is connected to no other`)
  }
}
