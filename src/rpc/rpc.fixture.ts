import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as digestOf } from 'multiformats/hashes/digest'
import type { RangeReply, StatusRange } from '../codec/status-ranges.ts'
import { rpcProtocol } from '../domain/version.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId, PeerInformation, PeerLinks } from '../domain/peer.ts'
import { peerIdFromBytes } from '../domain/peer-id.ts'
import type { Pin } from '../domain/pin.ts'
import { defaultPinOptions, pinWithOptions } from '../domain/pin.ts'
import { TrackerStatus, type PinInfo } from '../domain/status.ts'
import type { Block } from '../ipfs/connector.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import { MemoryNetworks } from '../platform/memory-network.ts'
import type { Network } from '../platform/network.ts'
import { systemRandom } from '../platform/random.ts'
import type { Tracer } from '../platform/tracer.ts'
import type { VirtualClock } from '../platform/virtual-clock.ts'
import type { PeerCalls } from './peer-calls.ts'
import type { PeerService } from './peer-service.ts'
import { rpcCalls } from './rpc-calls.ts'
import { servePeers } from './server.ts'

/** A peer ID made from a number. */
export function peerOf (number: number): PeerId {
  return peerIdFromBytes(Uint8Array.of(0, 0x24, 8, 1, 0x12, 0x20, ...createHash('sha256').update(`peer ${number}`).digest()))
}

export function cidOf (number: number): Cid {
  return cidFromBytes(Uint8Array.of(1, 0x55, 0x12, 0x20, ...createHash('sha256').update(`cid ${number}`).digest()))
}

export function blockOf (bytes: Uint8Array): Block {
  return { cid: CID.create(1, 0x55, digestOf(0x12, createHash('sha256').update(bytes).digest())), bytes }
}

export function pinOf (number: number): Pin {
  return pinWithOptions(cidOf(number), { ...defaultPinOptions, name: `pin ${number}`, metadata: { colour: 'green' } }, 1_700_000_000_000)
}

export function pinInfoOf (number: number, peer: PeerId): PinInfo {
  return {
    cid: cidOf(number), name: `pin ${number}`, peer, allocations: [peer, peerOf(77)], origins: [], created: 1_700_000_000_000, metadata: { colour: 'green' }, peername: 'name', ipfsPeerId: peerOf(1000),
    ipfsPeerAddresses: [], status: TrackerStatus.pinned, timestamp: 1_700_000_001_000.5, error: '', attemptCount: 2, priorityPin: true,
  }
}

export function informationOf (peer: PeerId, peername: string): PeerInformation {
  return {
    id: peer, addresses: [], clusterPeers: [peer], clusterPeersAddresses: [], version: '1.1.6', commit: '', rpcProtocolVersion: rpcProtocol, error: '',
    ipfs: { id: peerOf(1000), addresses: [], error: '' }, peername,
  }
}

/** A service that keeps what it was given and answers from what it was told. */
export class MemoryService implements PeerService {
  readonly self: PeerId
  readonly calls: string[] = []
  readonly blocks: Block[] = []
  statuses: PinInfo[][] = []
  /** What is answered to each range, by its last key. */
  ranges: Record<string, RangeReply[]> = {}
  membership: PeerInformation[] | undefined
  /** Set for a version that does not know the question for links. */
  knowsNoLinks = false
  /** Set to let a call wait until its caller goes away; counts those that have been told. */
  isWaiting = false
  cancelled = 0
  failure: Error | undefined

  constructor (self: PeerId) { this.self = self }

  async id (options: CallOptions): Promise<PeerInformation> {
    await this.#called('id', options)
    return informationOf(this.self, 'served')
  }

  version (): string { return '1.1.6' }

  async addPeer (peer: PeerId, options: CallOptions): Promise<PeerInformation> {
    await this.#called(`addPeer ${peer}`, options)
    return informationOf(peer, 'added')
  }

  removePeer (peer: PeerId, options: CallOptions): Promise<void> { return this.#called(`removePeer ${peer}`, options) }

  async * members (options: CallOptions): AsyncGenerator<PeerInformation> {
    await this.#called('members', options)
    yield * this.membership ?? [informationOf(this.self, 'served'), informationOf(peerOf(5), 'other')]
  }

  async links (options: CallOptions): Promise<PeerLinks> {
    await this.#called('links', options)
    if (this.knowsNoLinks) throw new ClusterError('INTERNAL', "rpc: can't find method Links")
    return { peername: 'served', ipfsPeerId: peerOf(9), connected: [peerOf(5)] }
  }

  async status (cid: Cid, options: CallOptions): Promise<PinInfo> {
    await this.#called(`status ${cid}`, options)
    return { ...pinInfoOf(0, this.self), cid }
  }

  async * statusAll (filter: TrackerStatus, options: CallOptions): AsyncGenerator<PinInfo[]> {
    for (const batch of this.statuses) yield batch
    await this.#called(`statusAll ${filter}`, options)
  }

  async * statusRanges (ranges: AsyncIterable<StatusRange>, options: CallOptions): AsyncGenerator<RangeReply[]> {
    for await (const { last } of ranges) yield this.ranges[last] ?? []
    await this.#called('statusRanges', options)
  }

  async recover (cid: Cid, options: CallOptions): Promise<PinInfo> {
    await this.#called(`recover ${cid}`, options)
    return { ...pinInfoOf(0, this.self), cid }
  }

  async * recoverAll (options: CallOptions): AsyncGenerator<PinInfo> {
    await this.#called('recoverAll', options)
    yield pinInfoOf(1, this.self)
    yield pinInfoOf(2, this.self)
  }

  async collectGarbage (options: CallOptions): ReturnType<PeerService['collectGarbage']> {
    await this.#called('collectGarbage', options)
    return { peer: this.self, peername: 'served', keys: [{ cid: cidOf(1), error: '' }, { cid: undefined, error: 'locked' }], error: '' }
  }

  async repositoryStat (options: CallOptions): ReturnType<PeerService['repositoryStat']> {
    await this.#called('repositoryStat', options)
    return { repoSize: 5_000_000_000, storageMax: 10_000_000_000, numberOfObjects: 3 }
  }

  async swarmPeers (options: CallOptions): Promise<PeerId[]> {
    await this.#called('swarmPeers', options)
    return [peerOf(8), peerOf(9)]
  }

  async putBlocks (blocks: AsyncIterable<Block>, options: CallOptions): Promise<void> {
    for await (const block of blocks) {
      this.blocks.push(block)
      if (this.failure !== undefined) throw this.failure
    }
    await this.#called('putBlocks', options)
  }

  logPin (pin: Pin, options: CallOptions): Promise<void> { return this.#called(`logPin ${pin.name}`, options) }
  logUnpin (pin: Pin, options: CallOptions): Promise<void> { return this.#called(`logUnpin ${pin.name}`, options) }

  async #called (call: string, { signal }: CallOptions): Promise<void> {
    this.calls.push(call)
    if (this.failure !== undefined) throw this.failure
    if (!this.isWaiting) return
    await new Promise<never>((_, reject) => {
      const end = (): void => {
        this.cancelled++
        reject(signal?.reason)
      }
      if (signal?.aborted === true) end()
      signal?.addEventListener('abort', end, { once: true })
    })
  }
}

/** Two peers in one process: one that calls, one that serves, and what the latter has logged. */
export interface TwoPeers {
  readonly caller: Network
  readonly server: Network
  /** Protocols of the streams that the caller has opened. */
  readonly opened: string[]
  readonly calls: PeerCalls
  readonly service: MemoryService
  readonly warnings: string[]
  readonly counters: Map<string, number>
  readonly distrusted: Set<PeerId>
  readonly networks: MemoryNetworks
  readonly platform: Platform
  stop (): Promise<void>
}

/** After whatever bytes: the server still answers, and its log is short. */
export async function assertUnharmed ({ calls, server, warnings }: TwoPeers, clock: VirtualClock): Promise<void> {
  const probe = calls.version(server.self, {})
  await clock.settle()
  assert.equal(await probe, '1.1.6')
  assert.ok(warnings.length < 12, `${warnings.length} lines`)
}

/** With `knowsChannels` false the caller opens a stream for each call, as a peer that does not know channels. */
export async function twoPeers (clock: Clock, { tracer, knowsChannels = true }: { readonly tracer?: Tracer, readonly knowsChannels?: boolean } = {}): Promise<TwoPeers> {
  const networks = new MemoryNetworks(clock)
  const joined = networks.join(peerOf(1))
  const opened: string[] = []
  const caller: Network = {
    ...joined,
    speaks: (peer, protocol) => knowsChannels && joined.speaks(peer, protocol),
    open (peer, protocol, options) {
      opened.push(protocol)
      return joined.open(peer, protocol, options)
    },
  }
  const server = networks.join(peerOf(2))
  const service = new MemoryService(peerOf(2))
  const warnings: string[] = []
  const counters = new Map<string, number>()
  const distrusted = new Set<PeerId>()
  const warn = (...parts: unknown[]): void => { warnings.push(parts.map(part => typeof part === 'string' ? part : JSON.stringify(part)).join(' ')) }
  const logger: Logger = { debug: () => {}, info: warn, warn, error: warn }
  const platform: Platform = {
    clock,
    random: systemRandom,
    ...(tracer !== undefined && { tracer }),
    loggers: { component: () => logger },
    metrics: { counter: name => ({ add: amount => { counters.set(name, (counters.get(name) ?? 0) + amount) } }), gauge: (_name, _help, read) => ({ set: () => { read?.() } }) },
  }
  const running = servePeers({ network: server, service, isTrusted: peer => !distrusted.has(peer), platform })
  await caller.start(AbortSignal.timeout(1000))
  await server.start(AbortSignal.timeout(1000))
  await running.start(AbortSignal.timeout(1000))
  return {
    caller, server, opened, service, warnings, counters, distrusted, networks, platform,
    calls: rpcCalls({ network: caller, platform }),
    async stop () {
      await running.stop()
      await caller.stop()
      await server.stop()
    },
  }
}

/** Opens a stream of the protocol, sends `writes` and, unless told otherwise, the end; resolves with all that comes back. */
export async function rawCall (from: Network, to: PeerId, writes: readonly Uint8Array[], options: { readonly isLeftOpen?: boolean } = {}): Promise<Uint8Array> {
  const stream = await from.open(to, rpcProtocol, {})
  const sending = (async () => {
    for (const bytes of writes) await stream.write(bytes)
    if (options.isLeftOpen !== true) await stream.closeWrite()
  })()
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of stream.incoming) chunks.push(chunk)
  } finally {
    stream.reset()
    await sending.catch(() => {})
  }
  return Buffer.concat(chunks)
}
