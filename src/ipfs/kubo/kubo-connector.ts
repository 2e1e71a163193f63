import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { IpfsId, Multiaddress, PeerId } from '../../domain/peer.ts'
import type { Pin } from '../../domain/pin.ts'
import type { CollectedKey, RepositoryStat } from '../../domain/repository.ts'
import type { CallOptions, Platform } from '../../platform/lifecycle.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Counter } from '../../platform/metrics.ts'
import type { Block, IpfsConnector, IpfsPin, IpfsPinType, PinCallOptions, PutCallOptions } from '../connector.ts'
import { collectGarbage } from './garbage.ts'
import { KuboRpc } from './kubo-rpc.ts'
import { configKey, getBlock, nodeId, nodeVersion, repositoryStat } from './node-facts.ts'
import { requestDeadline, silenceDeadline, type KuboConnectorOptions } from './options.ts'
import { pinMany, unpinMany } from './pin-batch.ts'
import { listPins } from './pin-list.ts'
import { pinOne, pinStatus, type PinCalls } from './pin-one.ts'
import { putBlocks } from './put-blocks.ts'
import { resolvePath } from './resolve.ts'
import { dialAll, swarmPeers } from './swarm.ts'
import { unpinOne } from './unpin-one.ts'

export type { KuboConnectorOptions } from './options.ts'

/** A Kubo node (or one with the same RPC) as the IPFS node of this peer; spec/components.md 6. */
export function kuboConnector (options: KuboConnectorOptions, platform: Pick<Platform, 'clock' | 'random' | 'loggers' | 'metrics'>): IpfsConnector {
  return new KuboConnector(options, platform)
}

class KuboConnector implements IpfsConnector {
  readonly kind = 'kubo'
  readonly #options: KuboConnectorOptions
  readonly #platform: Pick<Platform, 'clock' | 'random' | 'loggers' | 'metrics'>
  readonly #logger: Logger
  readonly #rpc: KuboRpc
  readonly #calls: PinCalls
  readonly #blockMetrics: { readonly puts: Counter, readonly blocks: Counter, readonly bytes: Counter, readonly errors: Counter }
  #eventsUntilMetrics: number

  constructor (options: KuboConnectorOptions, platform: Pick<Platform, 'clock' | 'random' | 'loggers' | 'metrics'>) {
    this.#options = options
    this.#platform = platform
    this.#logger = platform.loggers.component('ipfshttp')
    this.#rpc = new KuboRpc({ address: options.nodeMultiaddress, clock: platform.clock, logger: this.#logger })
    this.#calls = { rpc: this.#rpc, options }
    this.#blockMetrics = {
      puts: platform.metrics.counter('ipfscluster_blocks_put', 'Total number of block/put requests'),
      blocks: platform.metrics.counter('ipfscluster_blocks_added', 'Total number of blocks added'),
      bytes: platform.metrics.counter('ipfscluster_blocks_added_size', 'Total number of bytes added'),
      errors: platform.metrics.counter('ipfscluster_blocks_put_errors', 'Total number of block/put errors'),
    }
    this.#eventsUntilMetrics = options.informerTriggerInterval
  }

  /** Needs no node: one that is down may come later. */
  async start (): Promise<void> {}

  stop (): Promise<void> { return this.#rpc.close() }

  id (options: CallOptions = {}): Promise<IpfsId> { return nodeId(this.#rpc, this.#logger, requestDeadline(this.#options), options) }
  version (options: CallOptions = {}): Promise<string> { return nodeVersion(this.#rpc, requestDeadline(this.#options), options) }

  async pin (pin: Pin, options: PinCallOptions = {}): Promise<void> {
    this.#countEvents(1)
    try {
      await pinOne(this.#calls, pin, options)
    } finally {
      this.#countEvents(1)
    }
  }

  async pinMany (pins: readonly Pin[], options: PinCallOptions = {}): Promise<Array<ClusterError | undefined>> {
    this.#countEvents(pins.length)
    try {
      return await pinMany(this.#calls, pins, options)
    } finally {
      this.#countEvents(pins.length)
    }
  }

  async unpin (cid: Cid, options: CallOptions = {}): Promise<void> {
    if (this.#options.unpinDisable) throw unpinDisabled()
    await unpinOne(this.#calls, cid, options)
  }

  async unpinMany (cids: readonly Cid[], options: CallOptions = {}): Promise<Array<ClusterError | undefined>> {
    if (this.#options.unpinDisable) return cids.map(unpinDisabled)
    return unpinMany(this.#calls, cids, options)
  }

  pinStatus (cid: Cid, options: CallOptions = {}): Promise<IpfsPinType> { return pinStatus(this.#calls, cid, options) }
  listPins (options: CallOptions = {}): AsyncIterable<IpfsPin[]> { return listPins(this.#rpc, silenceDeadline(this.#options), options) }

  async putBlocks (blocks: AsyncIterable<Block>, options: PutCallOptions = {}): Promise<void> {
    const { puts, blocks: sent, bytes, errors } = this.#blockMetrics
    puts.add(1)
    const onSent = (sizeBytes: number): void => {
      sent.add(1)
      bytes.add(sizeBytes)
    }
    try {
      await putBlocks({ rpc: this.#rpc, random: this.#platform.random, deadline: requestDeadline(this.#options), onSent }, blocks, options)
    } catch (error) {
      errors.add(1)
      throw error
    } finally {
      this.#countEvents(1)
    }
  }

  getBlock (cid: Cid, options: CallOptions = {}): Promise<Uint8Array> { return getBlock(this.#rpc, cid, requestDeadline(this.#options), options) }
  resolve (path: string, options: CallOptions = {}): Promise<Cid> { return resolvePath(this.#rpc, path, requestDeadline(this.#options), options) }
  repositoryStat (options: CallOptions = {}): Promise<RepositoryStat> { return repositoryStat(this.#rpc, requestDeadline(this.#options), options) }

  async * garbageCollect (options: CallOptions = {}): AsyncGenerator<CollectedKey> {
    try {
      for await (const keys of collectGarbage(this.#rpc, { ms: this.#options.repogcTimeoutMs, option: 'repogc_timeout' }, options)) yield * keys
    } finally {
      this.#countEvents(1)
    }
  }

  swarmPeers (options: CallOptions = {}): Promise<PeerId[]> { return swarmPeers(this.#rpc, requestDeadline(this.#options), options) }
  connectSwarm (addresses: readonly Multiaddress[], options: CallOptions = {}): Promise<void> { return dialAll(this.#rpc, addresses, requestDeadline(this.#options), options.signal) }
  configKey (path: string, options: CallOptions = {}): Promise<unknown> { return configKey(this.#rpc, path, requestDeadline(this.#options), options) }

  #countEvents (count: number): void {
    if (this.#options.informerTriggerInterval <= 0) return
    this.#eventsUntilMetrics -= count
    if (this.#eventsUntilMetrics > 0) return
    this.#eventsUntilMetrics = this.#options.informerTriggerInterval
    this.#options.sendMetrics?.()
  }
}

function unpinDisabled (): ClusterError {
  return new ClusterError('UNSUPPORTED', 'ipfs unpinning is disallowed by configuration on this peer')
}
