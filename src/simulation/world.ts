import { peerIdFromBytes } from '../domain/peer-id.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { metricsTopic } from '../monitor/gossip-monitor.ts'
import type { GossipMessage } from '../platform/network.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import { noBugs, type Bugs } from './bugs/bugs.ts'
import { loggedFaults } from './checks/logged.ts'
import { peerConfiguration, randomSettings, type ClusterSettings, type Role } from './configuration.ts'
import { Stranger } from './hostile.ts'
import { History } from './history.ts'
import { quickTurns } from './quick-turns.ts'
import type { Removal } from './removal.ts'
import { ShardedContents } from './sharded-contents.ts'
import type { SeededRandom } from './seeded-random.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedNode, type Content } from './simulated-ipfs.ts'
import { SimulatedNetworks } from './simulated-network.ts'
import { SimulatedPeer } from './simulated-peer.ts'
import { SimulatedDisk } from './simulated-store.ts'
import { Trace } from './trace.ts'

export interface WorldOptions {
  readonly seed: number
  readonly peers: number
  readonly bugs?: Bugs | undefined
  /** Is given each event as a line. */
  readonly print?: ((line: string) => void) | undefined
}

/** A whole cluster with all that it stands on, on one clock, from one seed. */
export class World {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly trace: Trace
  readonly networks: SimulatedNetworks
  readonly history: History
  /** When each peer heard a ping of each other one last and before that, and since when without a long silence, by the world's monotonic clock. */
  readonly heard = new Map<PeerId, Map<PeerId, { readonly at: number, readonly previousAt: number, readonly since: number }>>()
  readonly settings: ClusterSettings
  readonly bugs: Bugs
  /** In half of all worlds there is one. */
  readonly stranger: Stranger | undefined
  readonly peers: SimulatedPeer[] = []
  readonly content: Content = { unreachable: new Set(), dags: new Map(), nodes: [] }
  readonly sharded = new ShardedContents()
  /** What operators move away from peers at this moment. */
  readonly removals = new Set<Removal>()
  /** What was found wrong. */
  readonly violations: string[] = []
  /** No fault may strike. */
  isCalm = false
  /** A peer whose machine is not repaired for now. */
  lost: SimulatedPeer | undefined
  readonly #strangerId: PeerId
  /** Whom all trust where not everybody is trusted. */
  #trusted: readonly PeerId[] = []
  readonly #byId = new Map<PeerId, SimulatedPeer>()

  private constructor (options: WorldOptions) {
    this.clock = exactClock()
    this.random = seededRandom(options.seed)
    this.trace = new Trace(this.clock, options.print)
    this.bugs = options.bugs ?? noBugs
    this.settings = randomSettings(this.random.fork('settings'), options.peers)
    this.#strangerId = peerId(this.random.fork('identity/stranger'))
    this.networks = new SimulatedNetworks({ clock: this.clock, random: this.random.fork('network'), trace: this.trace, nameOf: peer => this.nameOf(peer), onHeard: (peer, topic, message) => { if (topic === metricsTopic) this.#hear(peer, message) } })
    this.history = new History((peer, what) => { this.trace.note(this.nameOf(peer), what) }, (change, before) => { for (const fault of loggedFaults(this, change, before)) this.violate(fault) })
    if (this.random.fork('stranger').chance(0.5)) this.stranger = new Stranger(this, this.#strangerId)
  }

  /** The world of a seed, before anything runs in it. */
  static async create (options: WorldOptions): Promise<World> {
    const world = new World(options)
    const ids = Array.from({ length: options.peers * 2 }, (_, n) => peerId(world.random.fork(`identity/${n}`)))
    const { roles } = world.settings
    world.#trusted = ids.filter((_, n) => roles[n] === 'member')
    for (const [n, role] of roles.entries()) await world.#makePeer(role, ids[n] as PeerId, ids[options.peers + n] as PeerId)
    world.trace.note('world', JSON.stringify(world.settings))
    return world
  }

  /** A machine with a new identity, which joins through the peers at these addresses. Not started. */
  async makePeer (role: Role, bootstrap: readonly Multiaddress[]): Promise<SimulatedPeer> {
    const random = this.random.fork(`newcomer/${this.#byId.size}`)
    return this.#makePeer(role, peerId(random.fork('identity')), peerId(random.fork('node')), bootstrap)
  }

  async #makePeer (role: Role, self: PeerId, node: PeerId, bootstrap: readonly Multiaddress[] = []): Promise<SimulatedPeer> {
    const number = this.#byId.size
    const name = `peer${number}`
    const random = this.random.fork(name)
    const peer = new SimulatedPeer(this, {
      name,
      self,
      number,
      role,
      bootstrap,
      configuration: await peerConfiguration(this.settings, number, role, this.#trusted),
      disk: new SimulatedDisk(random.fork('disk')),
      node: new SimulatedNode(node, random.fork('ipfs'), this.content),
    })
    this.peers.push(peer)
    this.#byId.set(self, peer)
    return peer
  }

  /** The machine is lost for ever; what its IPFS node has others can still fetch. */
  retire (peer: SimulatedPeer): void {
    peer.losePower()
    this.peers.splice(this.peers.indexOf(peer), 1)
    if (this.lost === peer) this.lost = undefined
    this.trace.note(peer.name, 'is lost for ever')
  }

  /** Who is a peer or was one. */
  get everyPeer (): Iterable<SimulatedPeer> { return this.#byId.values() }

  nameOf (peer: PeerId): string { return this.#byId.get(peer)?.name ?? (peer === this.#strangerId ? 'stranger' : peer.slice(-6)) }
  peer (id: PeerId): SimulatedPeer | undefined { return this.#byId.get(id) }
  /** In milliseconds; 0 of who is no peer. */
  pingIntervalOf (id: PeerId): number { return this.#byId.get(id)?.configuration.cluster.monitorPingIntervalMs ?? 0 }

  /** Members that move pins when others are gone. */
  repairing (): SimulatedPeer[] { return this.servingMembers().filter(peer => !peer.configuration.cluster.disableRepinning) }

  /** Peers that answer requests. */
  serving (): SimulatedPeer[] { return this.peers.filter(peer => peer.serving !== undefined) }

  /** Those of them whom all trust. */
  servingMembers (): SimulatedPeer[] { return this.serving().filter(peer => peer.role === 'member') }

  violate (what: string): void {
    // Only that it happened goes into the hash: texts of errors differ with how much of their stack is kept.
    this.trace.note('world', 'VIOLATION', what)
    this.violations.push(`${(this.clock.monotonic() / 1_000).toFixed(1)} s: ${what}`)
  }

  /** A peer refuses its damaged datastore: the operator does what the message says. */
  damageSeen (peer: SimulatedPeer): void {
    peer.disk.wipe()
    this.trace.note(peer.name, 'datastore moved away')
  }

  /** Lets time go on until the promise has settled. */
  async while<T> (promise: Promise<T>, limitMs: number): Promise<T> {
    let isSettled = false
    const settle = (): void => { isSettled = true }
    promise.then(settle, settle)
    await this.clock.until(() => isSettled, limitMs)
    return promise
  }

  /** Repairs all that is broken and starts all that is down. */
  calm (): void {
    this.trace.note('world', 'all faults end')
    this.isCalm = true
    Object.assign(this.networks.conditions, { leastDelayMs: 1, mostDelayMs: 20, spikes: 0, gossipLoss: 0, gossipDuplicates: 0 })
    this.networks.healAll()
    this.content.unreachable.clear()
    for (const peer of this.peers) {
      Object.assign(peer.disk.conditions, { isFull: false, writeMs: 0.2, syncMs: 4, failure: 0 })
      Object.assign(peer.node.conditions, { isDown: false, isHung: false, answerMs: 20, lies: 0, isFull: false })
      peer.setWallOffset(0)
      peer.resume()
      if (peer === this.lost) peer.losePower()
      else peer.start()
    }
  }

  /** The peers whose machines work. */
  present (): SimulatedPeer[] { return this.peers.filter(peer => peer !== this.lost) }

  #hear (peer: PeerId, { from, data }: GossipMessage): void {
    if (!Buffer.from(data.buffer, data.byteOffset, data.length).includes('ping') || !this.#isSignOfLife(peer, from)) return
    const at = this.clock.monotonic()
    const ofPeer = this.heard.get(peer) ?? new Map<PeerId, { at: number, previousAt: number, since: number }>()
    const before = ofPeer.get(from)
    this.heard.set(peer, ofPeer.set(from, { at, previousAt: before?.at ?? -Infinity, since: before === undefined || at - before.at > 2 * this.pingIntervalOf(from) ? at : before.since }))
  }

  /**
   * A ping that has expired when it comes, because its sender's clock is behind, might be an old one
   * that somebody repeats: only who is connected to the sender can know that it lives.
   */
  #isSignOfLife (receiver: PeerId, sender: PeerId): boolean {
    const behindMs = (this.peer(receiver)?.wallOffsetMs ?? 0) - (this.peer(sender)?.wallOffsetMs ?? 0)
    return behindMs < 2 * this.pingIntervalOf(sender) || this.networks.areConnected(receiver, sender)
  }
}

/**
 * A virtual clock whose moments are whole parts of a millisecond that add up without rounding:
 * who waits for what is left of a time never finds that a little is left still, again and again.
 */
function exactClock (): VirtualClock {
  const clock = virtualClock(undefined, quickTurns())
  return { ...clock, after: (delayMs, callback) => clock.after(Math.ceil(delayMs * 1_024) / 1_024, callback) }
}

function peerId (random: SeededRandom): PeerId {
  return peerIdFromBytes(Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...random.bytes(32)]))
}
