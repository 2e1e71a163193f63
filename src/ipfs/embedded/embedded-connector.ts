import { cidFromBytes, cidToBytes, parseCid, type Cid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { IpfsId, Multiaddress, PeerId } from '../../domain/peer.ts'
import type { Pin } from '../../domain/pin.ts'
import type { CollectedKey, RepositoryStat } from '../../domain/repository.ts'
import type { CallOptions, Platform } from '../../platform/lifecycle.ts'
import type { Block, IpfsConnector, IpfsPin, IpfsPinType, PinCallOptions } from '../connector.ts'
import type { FetchedBlock } from './dag-walk.ts'
import { collectGarbage } from './garbage-collection.ts'
import { openNodeParts, type EmbeddedConnectorOptions, type NodeParts } from './node-parts.ts'
import { Operations } from './operations.ts'
import { putBlocks } from './put-blocks.ts'
import { resolvePath, splitPath } from './resolve-path.ts'
import { Slots } from './slots.ts'

export type { EmbeddedConnectorOptions } from './node-parts.ts'

export interface EmbeddedConnector extends IpfsConnector {
  readonly kind: 'embedded'
  /** Where the gateway answers, such as `http://127.0.0.1:8080`; undefined when it is off or the node is not started. */
  gatewayUrl (): string | undefined
}

/** Pins of one call that are made at a time; those that wait for a block take next to nothing. */
const pinsAtOnce = 512
/** How long other nodes may take to give a block that a pin has lost. */
const bringMs = 10_000
/** Origins of a pin that are dialled, as in the reference. */
const maxOrigins = 10

/** An IPFS node in this process. Nothing is loaded or opened before `start`. */
export function embeddedConnector (options: EmbeddedConnectorOptions, platform: Platform): EmbeddedConnector {
  return new EmbeddedNode(options, platform)
}

class EmbeddedNode implements EmbeddedConnector {
  readonly kind = 'embedded'
  readonly #options: EmbeddedConnectorOptions
  readonly #platform: Platform
  readonly #operations: Operations
  readonly #collections = new Slots(1)
  #parts: NodeParts | undefined

  constructor (options: EmbeddedConnectorOptions, platform: Platform) {
    this.#options = options
    this.#platform = platform
    this.#operations = new Operations(platform.clock)
  }

  async start (signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const parts = await openNodeParts(this.#options, this.#platform)
    if (signal.aborted) {
      await parts.close()
      throw new ClusterError('CANCELLED', 'the start of the embedded IPFS node was cancelled', { cause: signal.reason })
    }
    this.#parts = parts
  }

  async stop (): Promise<void> {
    await this.#operations.stop()
    const parts = this.#parts
    this.#parts = undefined
    await parts?.close()
  }

  gatewayUrl (): string | undefined { return this.#parts?.gateway?.url }

  id (options: CallOptions = {}): Promise<IpfsId> {
    return this.#ask('asking the node for its ID', options, async ({ host }) => ({ id: host.peerId, addresses: host.addresses(), error: '' }))
  }

  version (options: CallOptions = {}): Promise<string> {
    return this.#ask('asking the node for its version', options, async ({ host }) => `embedded IPFS node (Helia's bitswap, ${host.userAgent})`)
  }

  /** `pinUpdate` needs nothing of its own: blocks that are here already are never fetched. */
  pin (pin: Pin, options: PinCallOptions = {}): Promise<void> {
    return this.#operations.run({ signal: options.signal, what: `pinning ${pin.cid}` }, async signal => {
      const { host, pinner } = this.#started()
      const dialling = new AbortController()
      const origins = pin.origins?.slice(0, maxOrigins) ?? []
      // Beside the pin: what is here, or comes from others, does not wait for an origin that swallows packets.
      if (origins.length > 0) host.connect(origins, dialling.signal).catch(() => {})
      try {
        await pinner.pin({ cid: pin.cid, depth: pin.maxDepth }, { signal, onProgress: options.onProgress })
      } finally {
        dialling.abort()
      }
    })
  }

  pinMany (pins: readonly Pin[], options: PinCallOptions = {}): Promise<Array<ClusterError | undefined>> {
    return this.#operations.run({ signal: options.signal, what: `pinning ${pins.length} CIDs` }, async signal => {
      const { pinner } = this.#started()
      const slots = new Slots(pinsAtOnce)
      let blocks = 0
      const grew = (): void => { options.onProgress?.(++blocks) }
      return Promise.all(pins.map(({ cid, maxDepth }) => slots.run(signal, () => eachAnswered(signal, () => pinner.pin({ cid, depth: maxDepth }, { signal, onProgress: grew })))))
    })
  }

  unpin (cid: Cid, options: CallOptions = {}): Promise<void> {
    return this.#operations.run({ signal: options.signal, timeoutMs: this.#options.unpinTimeoutMs, what: `unpinning ${cid}` }, () => this.#started().pins.delete(cid))
  }

  unpinMany (cids: readonly Cid[], options: CallOptions = {}): Promise<Array<ClusterError | undefined>> {
    return this.#operations.run({ signal: options.signal, timeoutMs: this.#options.unpinTimeoutMs, what: `unpinning ${cids.length} CIDs` }, signal => {
      const { pins } = this.#started()
      return Promise.all(cids.map(cid => eachAnswered(signal, () => pins.delete(cid))))
    })
  }

  /**
   * Whether the CID has a pin of its own. `indirect` is never answered, as in the reference, which
   * asks its node for recursive and direct pins only: to find a pin above a block would take a walk
   * of all pins.
   */
  pinStatus (cid: Cid, options: CallOptions = {}): Promise<IpfsPinType> {
    return this.#ask(`asking whether ${cid} is pinned`, options, async ({ pins }) => {
      const depth = await pins.depth(cid)
      return depth === undefined ? 'unpinned' : pinType(depth)
    })
  }

  listPins (options: CallOptions = {}): AsyncIterable<IpfsPin[]> {
    return this.#operations.stream({ signal: options.signal, what: 'listing the pins' }, signal => this.#listPins(signal))
  }

  putBlocks (blocks: AsyncIterable<Block>, options: CallOptions = {}): Promise<void> {
    return this.#operations.run({ signal: options.signal, what: 'storing blocks' }, signal => {
      const { store, exchange, host } = this.#started()
      return putBlocks(blocks, store, (key, cid) => {
        exchange.stored(key)
        host.announce(cid)
      }, signal)
    })
  }

  getBlock (cid: Cid, options: CallOptions = {}): Promise<Uint8Array> {
    return this.#ask(`reading block ${cid}`, options, ({ read }, signal) => read(cidToBytes(cid), signal))
  }

  resolve (path: string, options: CallOptions = {}): Promise<Cid> {
    return this.#ask(`resolving ${path}`, options, async ({ read }, signal) => {
      const { namespace, root, names } = splitPath(path)
      if (namespace === 'ipns') throw new ClusterError('UNSUPPORTED', `the embedded IPFS node does not resolve IPNS names (${path}): give a path that begins with /ipfs/`)
      const cid = rootOfPath(root, path)
      return names.length === 0 ? cid : cidFromBytes(await resolvePath(cidToBytes(cid), names, block => read(block, signal)))
    })
  }

  repositoryStat (options: CallOptions = {}): Promise<RepositoryStat> {
    return this.#ask('asking the node for its size', options, async ({ store }) => {
      const { sizeBytes, blocks } = store.stat()
      // Peers are chosen by what is free: one with a full disk shall not look as if it had room.
      return { repoSize: sizeBytes, storageMax: await store.capacityBytes(), numberOfObjects: blocks }
    })
  }

  garbageCollect (options: CallOptions = {}): AsyncIterable<CollectedKey> {
    const { collectionTimeoutMs } = this.#options
    return this.#operations.stream({ signal: options.signal, what: 'garbage collection', ...(collectionTimeoutMs === undefined ? {} : { timeoutMs: collectionTimeoutMs }) }, signal => this.#collect(signal))
  }

  swarmPeers (options: CallOptions = {}): Promise<PeerId[]> {
    return this.#ask('asking the node for its peers', options, async ({ host }) => host.peers())
  }

  connectSwarm (addresses: readonly Multiaddress[], options: CallOptions = {}): Promise<void> {
    return this.#ask('connecting to IPFS nodes', options, ({ host }, signal) => host.connect(addresses, signal))
  }

  configKey (path: string, options: CallOptions = {}): Promise<unknown> {
    return this.#ask('reading the configuration', options, async ({ host, gateway }) => {
      const { storageMaxBytes, listenAddresses, announceAddresses = [], bootstrap, publicNetwork } = this.#options
      return valueAt(path, {
        Identity: { PeerID: host.peerId },
        Datastore: { StorageMax: `${storageMaxBytes}B` },
        Addresses: { Swarm: listenAddresses, Announce: announceAddresses, Gateway: gateway?.address ?? '' },
        Bootstrap: bootstrap,
        Routing: { Type: publicNetwork ? 'dht' : 'none' },
      })
    })
  }

  async * #listPins (signal: AbortSignal): AsyncGenerator<IpfsPin[]> {
    for await (const batch of this.#started().pins.list()) {
      signal.throwIfAborted()
      yield batch.map(({ cid, depth }) => ({ cid, type: pinType(depth) }))
    }
  }

  async * #collect (signal: AbortSignal): AsyncGenerator<CollectedKey> {
    const { store, pins, pinner, walkFolder } = this.#started()
    const giveBack = await this.#collections.take(signal)
    try {
      for await (const keys of collectGarbage({ store, pins, pinning: () => pinner.underWay(), walkFolder, bring: (cid, walkSignal) => this.#bringSoon(cid, walkSignal) }, signal)) yield * keys
    } finally {
      giveBack()
    }
  }

  /** A block from other nodes, or undefined when none gives it in time. */
  async #bringSoon (cid: Uint8Array, signal: AbortSignal): Promise<FetchedBlock | undefined> {
    const { exchange, host } = this.#started()
    if (host.peers().length === 0) return undefined
    const late = new AbortController()
    const cancelTimer = this.#platform.clock.after(bringMs, () => { late.abort() })
    try {
      return await exchange.fetch(cid, AbortSignal.any([signal, late.signal]))
    } catch (error) {
      if (!late.signal.aborted) throw error
      return undefined
    } finally {
      cancelTimer()
    }
  }

  /** A request with the usual time limit. */
  #ask<T> (what: string, { signal }: CallOptions, work: (parts: NodeParts, signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#operations.run({ signal, timeoutMs: this.#options.requestTimeoutMs, what }, signal => work(this.#started(), signal))
  }

  #started (): NodeParts {
    if (this.#parts === undefined) throw new ClusterError('IPFS_UNREACHABLE', 'the embedded IPFS node is not started')
    return this.#parts
  }
}

function pinType (depth: number): 'recursive' | 'direct' { return depth === 0 ? 'direct' : 'recursive' }

/** Undefined, or the failure of this one; the end of the whole call is no answer. */
async function eachAnswered (signal: AbortSignal, work: () => Promise<void>): Promise<ClusterError | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return error instanceof ClusterError ? error : new ClusterError('INTERNAL', errorText(error), { cause: error })
  }
}

function rootOfPath (root: string, path: string): Cid {
  try {
    return parseCid(root)
  } catch (error) {
    throw new ClusterError('INVALID_PATH', `invalid path ${JSON.stringify(path)}: ${errorText(error)}`, { cause: error })
  }
}

/** A value by a path such as `Datastore/StorageMax`; the texts are those of the reference. */
function valueAt (path: string, configuration: Readonly<Record<string, unknown>>): unknown {
  let value: unknown = configuration
  for (const key of path.split('/')) {
    if (typeof value !== 'object' || value === null) throw new ClusterError('IPFS_ANSWER', 'invalid path')
    if (!Object.hasOwn(value, key)) throw new ClusterError('IPFS_ANSWER', 'key not found in configuration')
    value = (value as Record<string, unknown>)[key]
  }
  return value
}
