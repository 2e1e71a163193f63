import { balancedAllocator } from '../../allocator/balanced.ts'
import { MetricMessage } from '../../codec/messages.ts'
import type { ChangeLog, Consensus } from '../../consensus/consensus.ts'
import { cidFromBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { peerIdFromBytes } from '../../domain/peer-id.ts'
import type { PeerId, PeerInformation } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import type { Time } from '../../domain/time.ts'
import { GossipMonitor } from '../../monitor/gossip-monitor.ts'
import { sleep, type Clock } from '../../platform/clock.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { silentLogger } from '../../platform/logger.ts'
import { MemoryNetworks } from '../../platform/memory-network.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Network } from '../../platform/network.ts'
import { systemRandom } from '../../platform/random.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import { PinsInMemory } from '../../state/pins-in-memory.fixture.ts'
import type { PinsetQuery, StateStore } from '../../state/state-store.ts'
import { MemoryMetrics } from '../../tracker/tracker.fixture.ts'
import { AlertHistory } from '../alert-history.ts'
import { pushMetrics } from '../metric-loops.ts'
import { Pinning } from '../pin.ts'
import { pingMetric } from '../ping.ts'
import { RepairLoop } from './repair.ts'
import { Responsibility } from './responsibility.ts'
import { expireLoop } from '../state-sync.ts'

const protocol = '/test/id'
/** How long a change takes to the other peers, in milliseconds. */
const changeDelayMs = 200
const pingIntervalMs = 15_000
const freeSpaceIntervalMs = 15_000

export interface TestPeerOptions {
  readonly disableRepinning?: boolean
  readonly followerMode?: boolean
  readonly repinGracePeriodMs?: number
  readonly changesHeldMs?: number
  /** Does not repair at all, as a peer of the reference with repinning disabled. */
  readonly isPassive?: boolean
}

/** One move of a pin. */
export interface Move { readonly by: PeerId, readonly pin: Pin, readonly at: number }

/** Peers with real monitors, allocators and repair loops; the pinset is copied to all that are up. */
export class TestCluster {
  readonly clock: VirtualClock = virtualClock()
  readonly networks = new MemoryNetworks(this.clock)
  readonly peers: TestPeer[] = []
  readonly moves: Move[] = []
  readonly unpins: Array<{ readonly by: PeerId, readonly cid: Cid }> = []
  readonly warnings: string[] = []
  readonly informations: string[] = []
  /** Peers that were asked to ask all their members. */
  readonly membersAsked: PeerId[] = []
  /** How long an unpin takes, in milliseconds. */
  unpinMs = 0
  /** Who is dead stays a member, as in a consensus with a list of members. */
  keepsMembers = false

  async add (count: number, options: TestPeerOptions = {}): Promise<void> {
    for (let i = 0; i < count; i++) {
      const peer = new TestPeer(this, peerOf(this.peers.length), options)
      this.peers.push(peer)
      await peer.start()
    }
  }

  /** Peers that were in the cluster once: nobody here has heard of them, but pins name them. */
  addGone (count: number): void {
    for (let i = 0; i < count; i++) this.peers.push(new TestPeer(this, peerOf(this.peers.length), {}))
  }

  peer (index: number): TestPeer { return this.peers[index] as TestPeer }

  ids (...indexes: number[]): PeerId[] { return indexes.map(index => this.peer(index).self) }

  /** A pin with its holders, known to all peers. */
  pin (n: number, holders: readonly number[], factors: { min: number, max: number, expireAt?: Time, type?: Pin['type'] }): Cid {
    const options = { ...defaultPinOptions, replicationFactorMin: factors.min, replicationFactorMax: factors.max, expireAt: factors.expireAt ?? 0 }
    const pin = { ...pinWithOptions(cidOf(n), options, this.clock.now()), type: factors.type ?? 'pin', allocations: this.ids(...holders) }
    for (const peer of this.peers) peer.pinset.put(pin)
    return pin.cid
  }

  /** The holders of a pin by index, the same on all peers that are up; throws when they differ. */
  holders (cid: Cid): number[] {
    const seen = this.peers.filter(({ isUp }) => isUp).map(({ pinset }) => pinset.pins.get(cid)?.allocations ?? [])
    const [first = []] = seen
    if (seen.some(one => one.join() !== first.join())) throw new Error('the peers differ')
    return first.map(id => this.peers.findIndex(({ self }) => self === id))
  }

  async stop (): Promise<void> { await Promise.all(this.peers.map(peer => peer.kill())) }
}

export class TestPeer {
  readonly self: PeerId
  readonly pinset = new HeldPinset()
  readonly alerts = new AlertHistory()
  readonly metrics = new MemoryMetrics()
  readonly #cluster: TestCluster
  readonly #options: TestPeerOptions
  readonly #store: Store = memoryStore()
  #network: Network
  #stopping = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #monitor: GossipMonitor | undefined
  isUp = false
  /** Takes connections but answers nothing, as a process that hangs. */
  isMute = false
  /** Its metrics get lost. */
  isUnheard = false
  /** How far its wall clock is ahead. */
  wallOffsetMs = 0
  /** Its process stands still: what is said meanwhile it never hears. */
  isPaused = false
  readonly #whilePaused: Array<() => void> = []
  /** Peers between which and this one nothing gets through. */
  readonly cutFrom = new Set<PeerId>()
  freeSpace = 100
  repair: RepairLoop | undefined

  constructor (cluster: TestCluster, self: PeerId, options: TestPeerOptions) {
    this.self = self
    this.#cluster = cluster
    this.#options = options
    this.#network = cluster.networks.join(self)
  }

  async start (): Promise<void> {
    const clock: Clock = { ...this.#cluster.clock, now: () => this.#cluster.clock.now() + this.wallOffsetMs, after: (delayMs, callback) => this.#cluster.clock.after(delayMs, () => { if (this.isPaused) this.#whilePaused.push(callback); else callback() }) }
    this.#stopping = new AbortController()
    const { signal } = this.#stopping
    const platform: Platform = { clock, random: systemRandom, metrics: this.metrics, loggers: { component: () => ({ ...silentLogger, warn: (...told: unknown[]) => { this.#cluster.warnings.push(String(told.at(-1))) }, info: (...told: unknown[]) => { this.#cluster.informations.push(String(told.at(-1))) } }) } }
    await this.connect()
    const network: Network = {
      ...this.#network,
      publish: async (topic, data) => { if (this.isUp && !this.isUnheard) await this.#network.publish(topic, data) },
      subscribe: (topic, handler) => this.#network.subscribe(topic, message => { if (!this.cutFrom.has(message.from) && !this.isPaused) handler(message) }),
    }
    const monitor = this.#monitor = new GossipMonitor({ network, codec: MetricMessage, checkIntervalMs: 15_000, platform })
    await monitor.start()
    const consensus = this.#consensus(monitor)
    const { disableRepinning = false, followerMode = false, isPassive = false, repinGracePeriodMs, changesHeldMs } = this.#options
    const pinning = new Pinning({ consensus, monitor, allocator: balancedAllocator(['freespace'], platform.random), clock, loggers: platform.loggers, options: { replicationFactorMin: 1, replicationFactorMax: 2, followerMode, pinOnlyOnTrustedPeers: false, pinOnlyOnUntrustedPeers: false } })
    this.repair = new RepairLoop({ self: this.self, consensus, pinning, monitor, calls: { id: (peer, options) => this.#ask(peer, options.signal), members: (peer, options) => this.#askMembers(peer, options.signal) }, settings: { disableRepinning, followerMode, repinGracePeriodMs, changesHeldMs }, store: this.#store, platform })
    const metric = (name: string, intervalMs: number, weight: () => number) => ({ name, metrics: async () => [{ name, peer: this.self, value: String(weight()), expire: clock.now() + 2 * intervalMs, valid: true, weight: weight(), partitionable: false, receivedAt: 0 }] })
    const ping = { name: 'ping', metrics: async () => [pingMetric(this.self, '', { id: undefined, addresses: null, error: '' }, clock.now(), pingIntervalMs, this.repair?.delayMs)] }
    this.#running = Promise.all([
      this.alerts.record(monitor, silentLogger, signal),
      pushMetrics(ping, monitor, platform, signal),
      pushMetrics(metric('freespace', freeSpaceIntervalMs, () => this.freeSpace), monitor, platform, signal),
      isPassive ? undefined : this.repair.run(signal),
      isPassive || followerMode ? undefined : expireLoop({ consensus, responsibility: new Responsibility(this.self), platform, unpin: cid => this.#unpin(cid) }, 5 * 60_000, signal),
    ])
  }

  /** Ends the process: nothing is sent or answered any more. */
  async kill (): Promise<void> {
    await this.disconnect()
    this.#stopping.abort()
    await this.#running
    await this.#monitor?.stop()
  }

  resume (): void {
    this.isPaused = false
    for (const callback of this.#whilePaused.splice(0)) callback()
  }

  /** Takes part in the network, and learns what it has missed. */
  async connect (): Promise<void> {
    this.isUp = true
    for (const { pinset } of this.#cluster.peers) for (const pin of pinset.pins.values()) this.pinset.put(pin)
    for (const { isUp, pinset } of this.#cluster.peers) if (isUp) for (const pin of this.pinset.pins.values()) pinset.put(pin)
    this.#network.handle(protocol, stream => { if (!this.isMute) stream.closeWrite().catch(() => {}) })
    await this.#network.start(new AbortController().signal)
  }

  /** The process goes on, but nobody can be reached. */
  async disconnect (): Promise<void> {
    this.isUp = false
    await this.#network.stop()
  }

  async #unpin (cid: Cid): Promise<void> {
    if (!this.pinset.pins.has(cid)) throw new ClusterError('NOT_FOUND', 'it is gone')
    this.#cluster.unpins.push({ by: this.self, cid })
    if (this.#cluster.unpinMs > 0) await sleep(this.#cluster.clock, this.#cluster.unpinMs)
    this.pinset.remove(cid)
    for (const peer of this.#cluster.peers) this.#cluster.clock.after(changeDelayMs, () => { peer.pinset.remove(cid) })
  }

  async #ask (peer: PeerId, signal: AbortSignal | undefined): Promise<PeerInformation> {
    if (this.cutFrom.has(peer)) throw new ClusterError('PEER_UNREACHABLE', 'it cannot be reached')
    const stream = await this.#network.open(peer, protocol, { signal })
    signal?.addEventListener('abort', () => { stream.reset() })
    for await (const bytes of stream.incoming) if (bytes.length > 0) break
    const clusterPeers = this.#cluster.peers.find(({ self }) => self === peer)?.heard() ?? null
    return { ...informationOf(peer, ''), clusterPeers }
  }

  /** Whom another peer hears, and whether it reaches them. */
  async #askMembers (peer: PeerId, signal: AbortSignal | undefined): Promise<PeerInformation[]> {
    this.#cluster.membersAsked.push(peer)
    await this.#ask(peer, signal)
    return await this.#cluster.peers.find(({ self }) => self === peer)?.members(signal) ?? []
  }

  async members (signal: AbortSignal | undefined): Promise<PeerInformation[]> {
    return Promise.all(this.heard().filter(peer => peer !== this.self).map(peer => this.#ask(peer, signal).catch((error: unknown) => informationOf(peer, String(error)))))
  }

  /** Takes the peer for alive for a long time, as after a single ping of one whose clock ran ahead. */
  believe (peer: PeerId): void {
    this.#monitor?.record({ name: 'ping', peer, value: '', expire: this.#cluster.clock.now() + 3_600_000, valid: true, weight: 0, partitionable: false, receivedAt: 0 })
  }

  heard (): PeerId[] { return this.#monitor?.latest('ping').map(({ peer }) => peer) ?? [] }

  #consensus (monitor: GossipMonitor): Consensus {
    const { pinset, self } = this
    return {
      kind: this.#cluster.keepsMembers ? 'raft' : 'crdt',
      start: async () => {},
      stop: async () => {},
      ready: async () => {},
      logPin: async () => {},
      logMove: async (_, pin) => {
        this.#cluster.moves.push({ by: self, pin, at: this.#cluster.clock.monotonic() })
        pinset.put(pin)
        for (const peer of this.#cluster.peers) {
          if (peer !== this) this.#cluster.clock.after(changeDelayMs, () => { if (peer.isUp && this.isUp) peer.pinset.put(pin) })
        }
      },
      logUnpin: async () => {},
      pinset: () => pinset,
      changes: (): ChangeLog => { throw new Error('not here') },
      peers: async () => this.#cluster.keepsMembers ? this.#cluster.peers.map(peer => peer.self) : [...new Set([...monitor.latest('ping').map(({ peer }) => peer), self])].toSorted(),
      addPeer: async () => {},
      removePeer: async () => {},
      leader: () => undefined,
      isTrusted: () => true,
      trust: () => {},
      distrust: () => {},
    }
  }
}

/** A pinset with an index by holder; as reads are counted it shows what a repair looks at. */
class HeldPinset extends PinsInMemory implements StateStore {
  readonly #byHolder = new Map<PeerId, Set<Cid>>()
  /** How often it was asked who holds what. */
  timesAsked = 0

  put (pin: Pin): void {
    const old = this.pins.get(pin.cid)
    if (old !== undefined && old.timestamp > pin.timestamp) return
    for (const peer of old?.allocations ?? []) this.#byHolder.get(peer)?.delete(pin.cid)
    this.pins.set(pin.cid, pin)
    for (const peer of pin.allocations ?? []) {
      const held = this.#byHolder.get(peer) ?? new Set()
      this.#byHolder.set(peer, held.add(pin.cid))
    }
  }

  remove (cid: Cid): void {
    for (const peer of this.pins.get(cid)?.allocations ?? []) this.#byHolder.get(peer)?.delete(cid)
    this.pins.delete(cid)
  }

  async * list (): AsyncGenerator<Pin[]> { yield [...this.pins.values()] }

  async * allocatedTo (peer: PeerId, { after, limit = Infinity }: PinsetQuery): AsyncGenerator<Cid[]> {
    this.timesAsked++
    // CIDs of one kind: their text is in the order of their keys.
    yield [...this.#byHolder.get(peer) ?? []].filter(cid => after === undefined || cid > after).toSorted().slice(0, limit)
  }

  async holders (): Promise<PeerId[]> { return [...this.#byHolder.entries()].filter(([, held]) => held.size > 0).map(([peer]) => peer) }
}

/** A CID by its number, spread over the hash space. */
export function cidOf (n: number): Cid {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(n)
  return cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), digest]))
}

function informationOf (id: PeerId, error: string): PeerInformation {
  return { id, addresses: null, clusterPeers: null, clusterPeersAddresses: null, version: '', commit: '', rpcProtocolVersion: '', error, ipfs: { id: undefined, addresses: null, error: '' }, peername: '' }
}

function peerOf (n: number): PeerId {
  return peerIdFromBytes(Buffer.concat([Buffer.from([0, 36, 8, 1, 0x12, 32]), Buffer.alloc(32, n + 1)]))
}
