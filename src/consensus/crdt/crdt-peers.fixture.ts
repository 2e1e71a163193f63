import { PinMessage } from '../../codec/messages.ts'
import { cidFromBytes, type Cid } from '../../domain/cid.ts'
import { peerIdFromBytes } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import type { Loggers } from '../../platform/logger.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { MemoryNetworks } from '../../platform/memory-network.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import type { Network } from '../../platform/network.ts'
import type { Random } from '../../platform/random.ts'
import type { Store } from '../../platform/store.ts'
import type { VirtualClock } from '../../platform/virtual-clock.ts'
import { CrdtConsensus, type CrdtOptions, type ExchangeOptions } from './crdt-consensus.ts'

export function cidOf (n: number): Cid {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(n * 2654435761 >>> 0)
  digest.writeUInt32BE(n, 28)
  return cidFromBytes(Buffer.concat([Uint8Array.of(1, 0x55, 0x12, 0x20), digest]))
}

export function pinOf (n: number, changes: Partial<Pin> = {}): Pin {
  return { ...pinWithOptions(cidOf(n), { ...defaultPinOptions, name: `pin ${n}`, replicationFactorMin: -1, replicationFactorMax: -1 }, 1_700_000_000_000), allocations: [], ...changes }
}

export function peerOf (n: number): PeerId {
  return peerIdFromBytes(Buffer.concat([Uint8Array.of(0, 0x24, 8, 1, 0x12, 0x20), Buffer.alloc(32, n + 1)]))
}

/** Random numbers that are the same in each run. */
export function seededRandom (seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return { fraction: next, integer: below => Math.floor(next() * below), bytes: length => Uint8Array.from({ length }, () => Math.floor(next() * 256)) }
}

export type StartOptions = Partial<Omit<CrdtOptions, 'exchange'>> & {
  readonly exchange?: Partial<ExchangeOptions>
  /** Stands between the peer and its network. */
  readonly network?: (network: Network) => Network
}

export interface CrdtPeer {
  readonly id: PeerId
  readonly network: Network
  readonly consensus: CrdtConsensus
  readonly store: Store
  stop (): Promise<void>
}

/** Peers in one process that exchange the changes of one pinset. */
export class CrdtPeers {
  readonly networks: MemoryNetworks
  readonly clock: VirtualClock
  readonly #loggers: Loggers
  readonly running = new Map<number, CrdtPeer>()

  constructor (clock: VirtualClock, loggers: Loggers = silentLoggers) {
    this.clock = clock
    this.#loggers = loggers
    this.networks = new MemoryNetworks(clock)
  }

  /** Starts peer number `n`, on a store of an earlier run if given. */
  async start (n: number, { exchange, network: wrap, ...options }: StartOptions = {}): Promise<CrdtPeer> {
    const id = peerOf(n)
    const joined = this.networks.join(id)
    const network = wrap?.(joined) ?? joined
    const store = options.store ?? memoryStore()
    const consensus = new CrdtConsensus({
      self: id,
      codec: PinMessage,
      datastoreNamespace: '/c',
      trustedPeers: ['*'],
      batching: { maxSize: 0, maxAgeMs: 0 },
      members: () => [],
      platform: { clock: this.clock, random: seededRandom(n), loggers: this.#loggers, metrics: noMetrics },
      ...options,
      store,
      exchange: { clusterName: 'test', rebroadcastIntervalMs: 60_000, ...exchange, network },
    })
    await network.start(new AbortController().signal)
    await consensus.start()
    const peer: CrdtPeer = {
      id,
      network,
      consensus,
      store,
      stop: async () => {
        this.running.delete(n)
        await consensus.stop()
        await network.stop()
      },
    }
    this.running.set(n, peer)
    return peer
  }

  async stop (): Promise<void> {
    await this.done(Promise.all([...this.running.values()].map(peer => peer.stop())))
  }

  /** Lets time go by until the work is done. */
  async done<T> (work: Promise<T>): Promise<T> {
    let isDone = false
    work.finally(() => { isDone = true }).catch(() => {})
    for (let turns = 0; turns < 10_000; turns++) {
      await this.clock.settle()
      if (isDone) return work
      await this.clock.advance(10)
    }
    throw new Error('the work does not end')
  }
}

/** Names of the pins of a peer, in the order of the pinset. */
export async function namesOf ({ consensus }: Pick<CrdtPeer, 'consensus'>): Promise<string[]> {
  return (await Array.fromAsync(consensus.pinset().list({}))).flat().map(pin => pin.name)
}

/** All entries of the store that belong to the replicated set itself, as text: equal on peers that have merged the same nodes. */
export async function setOf ({ store }: Pick<CrdtPeer, 'store'>): Promise<string[]> {
  const entries = (await Array.fromAsync(store.iterate({ gte: '/c/', lt: '/c0' }))).flat()
  return entries.filter(({ key }) => !key.startsWith('/c/b/blocks/')).map(({ key, value }) => `${key}=${Buffer.from(value).toString('hex')}`)
}
