import type { Configuration } from '../config/configuration.ts'
import { createConfiguration } from '../config/create.ts'
import { createIdentity } from '../config/identity.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { Block, IpfsConnector } from '../ipfs/connector.ts'
import type { Loggers } from '../platform/logger.ts'
import { MemoryNetworks } from '../platform/memory-network.ts'
import { memoryStore } from '../platform/memory-store.ts'
import { noMetrics } from '../platform/metrics.ts'
import type { Network } from '../platform/network.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import { SimulatedIpfs } from '../tracker/simulated-ipfs.fixture.ts'
import { seededRandom } from '../tracker/tracker.fixture.ts'
import type { AddressBook } from './address-book.ts'
import { startAll, stopAll } from './components.ts'
import { composePeer, type Peer } from './compose.ts'
import { livePeer } from './peer-life.ts'

export interface ComposedOptions {
  /** Changes the configuration of every peer. */
  readonly settings?: Partial<Configuration['cluster']>
  readonly trustedPeers?: (ids: readonly PeerId[], index: number) => readonly PeerId[] | 'all'
}

/** Whole peers in one process, on one clock and one network in memory, each with an IPFS node in memory. */
export class ComposedPeers {
  readonly clock: VirtualClock = virtualClock()
  readonly networks = new MemoryNetworks(this.clock)
  readonly peers: ComposedPeer[] = []

  static async start (count: number, options: ComposedOptions = {}): Promise<ComposedPeers> {
    const world = new ComposedPeers()
    const random = seededRandom(7)
    const ids = Array.from({ length: count }, () => createIdentity(random).id)
    for (const [index, id] of ids.entries()) await world.add(id, options.settings, options.trustedPeers?.(ids, index))
    for (const peer of world.peers) await peer.start()
    // Once every peer has heard every other.
    await world.clock.until(() => world.peers.every(({ peer }) => peer.monitor.latest('freespace').length === count && peer.monitor.latest('ping').length === count), 120_000)
    return world
  }

  /** One more peer, not started. */
  async add (id: PeerId, settings: Partial<Configuration['cluster']> = {}, trustedPeers: readonly PeerId[] | 'all' = 'all'): Promise<ComposedPeer> {
    const initial = await createConfiguration({ folder: '/none', random: seededRandom(8), environment: {}, warn: () => {}, datastore: 'leveldb' })
    const peer = new ComposedPeer(this, id, {
      ...initial,
      cluster: { ...initial.cluster, peername: `peer${this.peers.length}`, ...settings },
      consensus: { ...initial.consensus, crdt: { ...initial.consensus.crdt, trustedPeers } },
    })
    this.peers.push(peer)
    return peer
  }

  peer (index: number): ComposedPeer { return this.peers[index] as ComposedPeer }

  /** Moves time on until the promise has settled. */
  async during<T> (promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let isSettled = false
    const mark = (): void => { isSettled = true }
    promise.then(mark, mark)
    await this.clock.until(() => isSettled, limitMs)
    return promise
  }

  async stop (): Promise<void> {
    for (const peer of this.peers) await peer.stop()
  }
}

export class ComposedPeer {
  readonly id: PeerId
  readonly node: SimulatedIpfs
  readonly swarm: Multiaddress[] = []
  readonly log: string[] = []
  readonly written: string[] = []
  /** Blocks that came to the node. */
  readonly blocks: string[] = []
  peer!: Peer
  /** How often it was told that it is no longer a member. */
  timesRemoved = 0
  isUp = false
  /** The node takes questions and answers none. */
  isNodeHung = false
  /** What its address book says. */
  readonly saved: Multiaddress[] = []
  bootstrap: Multiaddress[] = []
  readonly #world: ComposedPeers
  readonly #configuration: Configuration
  readonly #life = new AbortController()
  #living: Promise<void> = Promise.resolve()

  constructor (world: ComposedPeers, id: PeerId, configuration: Configuration) {
    this.#world = world
    this.id = id
    this.#configuration = configuration
    this.node = new SimulatedIpfs(world.clock)
  }

  get cluster (): Peer['cluster'] { return this.peer.cluster }

  async start (network: Network = this.#world.networks.join(this.id)): Promise<void> {
    const platform = { clock: this.#world.clock, random: seededRandom(1), loggers: this.#loggers(), metrics: noMetrics }
    this.peer = await composePeer(this.#configuration, { self: this.id, network, store: memoryStore(), ipfs: () => this.#connector(), platform })
    await startAll(this.peer.components, { signal: this.#life.signal, logger: platform.loggers.component('cluster') })
    const addressBook: AddressBook = { read: () => this.saved, write: addresses => { this.written.push(addresses.join(' ')) } }
    this.#living = livePeer(this.peer, { bootstrap: this.bootstrap, addressBook, connectSwarmsDelayMs: 1_000, onRemoved: () => { this.timesRemoved++ } }, this.#life.signal)
    this.isUp = true
  }

  /** In order. */
  async stop (): Promise<void> {
    if (!this.isUp) return
    this.isUp = false
    this.#life.abort()
    await this.#world.during(Promise.all([stopAll(this.peer.components, this.#loggers().component('cluster')), this.#living]))
  }

  /** At once: to the others it looks like the loss of its machine. */
  async vanish (): Promise<void> { await this.stop() }

  #connector (): IpfsConnector {
    const node = this.node
    const id = createIdentity(seededRandom(this.#world.peers.indexOf(this) + 100)).id
    const blocks = this.blocks
    const check = (): void => { if (node.isDown) throw new Error('the node is down') }
    return {
      ...node.connector(),
      id: async () => {
        check()
        if (this.isNodeHung) await new Promise(() => {})
        return { id, addresses: [`/ip4/127.0.0.1/tcp/4001/p2p/${id}` as Multiaddress], error: '' }
      },
      repositoryStat: async () => { check(); return { repoSize: 100, storageMax: 1_000_000, numberOfObjects: 1 } },
      swarmPeers: async () => { check(); return [] },
      connectSwarm: async addresses => { this.swarm.push(...addresses) },
      putBlocks: async (given: AsyncIterable<Block>) => { for await (const block of given) blocks.push(block.cid.toString()) },
      async * garbageCollect () {
        check()
        for (const cid of node.content.keys()) yield { cid, error: '' }
      },
    }
  }

  #loggers (): Loggers {
    const write = (level: string) => (fields: object | string, message?: string): void => { this.log.push(`${level} ${message ?? String(fields)}`) }
    const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
    return { component: () => logger }
  }
}
