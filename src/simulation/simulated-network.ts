import type { CID } from 'multiformats/cid'
import { ClusterError } from '../domain/errors.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { sleep, type Clock } from '../platform/clock.ts'
import type { GossipMessage, Network, PeerStream } from '../platform/network.ts'
import { fetchFromPeers } from './block-exchange.ts'
import { Link } from './link.ts'
import { memberNetwork, NetworkMember } from './network-member.ts'
import type { PeerClock } from './peer-clock.ts'
import type { SeededRandom } from './seeded-random.ts'
import { simulatedStream } from './simulated-stream.ts'
import type { Trace } from './trace.ts'

/** Connecting or opening a stream is given up after this, in milliseconds. */
const dialTimeoutMs = 10_000
/** A connection that lets nothing through is given up after a time up to this, in milliseconds. */
const deadConnectionMs = 40_000
/** Peers that could be connected are, after a time up to this, in milliseconds. */
const reconnectMs = 5_000

/** A delay of this length is still no lost connection, in milliseconds. */
const longestDelayMs = 5_000

/** How the network behaves; changed while it is in use. */
export interface NetworkConditions {
  leastDelayMs: number
  mostDelayMs: number
  /** Probability that something takes much longer, and with it all that follows on the same connection. */
  spikes: number
  /** Probability that a gossip message is lost on one way, and that it arrives twice. */
  gossipLoss: number
  gossipDuplicates: number
}

/** The link between two peers, and the side on which the one that is reached is. */
interface Way { readonly link: Link, readonly side: 0 | 1 }

/** Who can reach whom: a network for every process, with all that goes wrong between them. */
export class SimulatedNetworks {
  readonly conditions: NetworkConditions = { leastDelayMs: 1, mostDelayMs: 20, spikes: 0, gossipLoss: 0, gossipDuplicates: 0 }
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #trace: Trace
  readonly #nameOf: (peer: PeerId) => string
  readonly #onHeard: (peer: PeerId, topic: string, message: GossipMessage) => void
  readonly #members = new Map<PeerId, NetworkMember>()
  readonly #addresses = new Map<PeerId, Multiaddress>()
  readonly #links: Link[] = []
  readonly #ways = new Map<PeerId, Map<PeerId, Way>>()

  /** `onHeard` is told of each gossip message that a process takes from another one. */
  constructor (parts: { readonly clock: Clock, readonly random: SeededRandom, readonly trace: Trace, readonly nameOf: (peer: PeerId) => string, readonly onHeard?: (peer: PeerId, topic: string, message: GossipMessage) => void }) {
    this.#clock = parts.clock
    this.#random = parts.random
    this.#trace = parts.trace
    this.#nameOf = parts.nameOf
    this.#onHeard = parts.onHeard ?? (() => {})
  }

  /** The network of a new process of that peer. */
  join (self: PeerId, number: number, clock: PeerClock): Network {
    const member = new NetworkMember(self, number, clock)
    this.#addresses.set(self, member.address)
    return memberNetwork(this, member)
  }

  // What an operator, a cable or the weather does.

  /** Nothing gets from one to the other any more; the way back stays as it is. */
  cut (from: PeerId, to: PeerId): void {
    const { link, side } = this.#way(from, to)
    link.cut(side)
    this.#review(from, to)
  }

  healAll (): void {
    for (const link of this.#links) link.heal()
    this.#reviewAll()
  }

  /** Breaks one of the connections; it comes back by itself. */
  resetOne (): void {
    const up = this.#links.filter(link => link.isUp)
    if (up.length > 0) this.#lose(this.#random.pick(up))
  }

  /** The process is gone, whether in order or not. */
  vanish (self: PeerId): void {
    const member = this.#members.get(self)
    if (member !== undefined) this.leave(member)
  }

  get members (): PeerId[] { return [...this.#members.keys()] }
  areConnected (a: PeerId, b: PeerId): boolean { return this.#way(a, b).link.isUp }

  /** How many blocks a peer waits for. */
  wantedBlocks (self: PeerId): number { return this.#members.get(self)?.wants.size ?? 0 }

  // What the processes ask for.

  enter (member: NetworkMember): void {
    this.#members.set(member.self, member)
    this.#reviewAll()
  }

  leave (member: NetworkMember): void {
    if (this.#members.get(member.self) !== member) return
    this.#members.delete(member.self)
    for (const link of this.#links) if (link.ends?.includes(member) === true) this.#lose(link)
  }

  connected (member: NetworkMember): NetworkMember[] {
    const others: NetworkMember[] = []
    for (const other of this.#members.values()) if (other !== member && this.#way(member.self, other.self).link.isUp) others.push(other)
    return others
  }

  speaks (member: NetworkMember, peer: PeerId, protocol: string): boolean {
    return this.#way(member.self, peer).link.isUp && this.#members.get(peer)?.handlers.has(protocol) === true
  }

  addressesOf (peer: PeerId): Multiaddress[] {
    const address = this.#addresses.get(peer)
    return address === undefined ? [] : [address]
  }

  knownPeers (self: PeerId): PeerId[] { return [...this.#addresses.keys()].filter(peer => peer !== self) }

  async dial (member: NetworkMember, peer: PeerId, signal: AbortSignal | undefined): Promise<void> {
    const { link } = this.#way(member.self, peer)
    if (link.isUp) return
    await sleep(member.clock, link.isCut ? dialTimeoutMs : 2 * this.#delayMs(), signal)
    const other = this.#members.get(peer)
    if (!link.isUp && other !== undefined && !link.isCut && this.#members.get(member.self) === member) this.#connect(link, member, other)
    if (!link.isUp) throw new ClusterError('PEER_UNREACHABLE', `failed to dial: ${peer} does not answer`)
  }

  async open (member: NetworkMember, peer: PeerId, protocol: string, signal: AbortSignal | undefined): Promise<PeerStream> {
    signal?.throwIfAborted()
    await this.dial(member, peer, signal)
    const { link, side } = this.#way(member.self, peer)
    const toFar = link.carryTo(side)
    const toNear = link.carryTo(side === 0 ? 1 : 0)
    return new Promise((resolve, reject) => {
      let isOver = false
      const done = (): void => {
        isOver = true
        cancel()
        forget()
        signal?.removeEventListener('abort', abort)
      }
      const abort = (): void => { done(); reject(signal?.reason) }
      const refuse = (code: 'PEER_UNREACHABLE' | 'TIMED_OUT', reason: string): void => { done(); reject(new ClusterError(code, `failed to open a stream to ${peer}: ${reason}`)) }
      const forget = link.onLoss(() => { refuse('PEER_UNREACHABLE', 'the connection is lost') })
      const cancel = member.clock.after(dialTimeoutMs, () => { refuse('TIMED_OUT', 'no answer') })
      signal?.addEventListener('abort', abort, { once: true })
      toFar(() => {
        const far = link.ends?.[side]
        const handler = far?.handlers.get(protocol)
        if (far === undefined || handler === undefined) {
          toNear(() => { refuse('PEER_UNREACHABLE', `it does not speak ${protocol}`) })
          return
        }
        const ends = simulatedStream(member, far, toFar, toNear)
        link.keep(ends.near)
        link.keep(ends.far)
        handler(ends.far.stream)
        toNear(() => {
          this.#trace.note(this.#nameOf(member.self), `opened ${protocol} to ${this.#nameOf(peer)}`)
          // Who asked may have given up meanwhile.
          if (isOver) ends.near.stream.reset()
          done()
          resolve(ends.near.stream)
        })
      })
    })
  }

  /** From peer to peer as gossip goes: who is not connected to the sender may hear it by way of others that take it. */
  publish (from: NetworkMember, topic: string, data: Uint8Array): void {
    // A copy also of a Buffer, whose own slice would share its memory.
    const message = { from: from.self, data: new Uint8Array(data), sequence: from.nextSequence() }
    from.clock.soon(() => { from.deliver(topic, message) })
    const heard = new Map<NetworkMember, number>([[from, 0]])
    let others = [...this.#members.values()].filter(member => member !== from)
    for (const [forwarder, atMs] of heard) {
      if (others.length === 0) break
      others = others.filter(member => {
        const { link, side } = this.#way(forwarder.self, member.self)
        if (!link.isUp || link.isCutTo(side) || this.#random.chance(this.conditions.gossipLoss)) return true
        if (forwarder !== from && (forwarder.clock.isPaused || !forwarder.accepts(topic, from.self))) return true
        heard.set(member, atMs + this.#delayMs())
        return false
      })
    }
    for (const [member, delayMs] of heard) if (member !== from) this.#deliver(member, topic, message, delayMs)
  }

  async fetchBlock (member: NetworkMember, cid: CID, from: PeerId | undefined, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const name = cid.toString().slice(-6)
    this.#trace.note(this.#nameOf(member.self), `asks for block ${name}`)
    const bytes = await fetchFromPeers({
      member,
      cid,
      signal,
      candidates: () => this.connected(member).toSorted((a, b) => Number(b.self === from) - Number(a.self === from)),
      wayTo: other => {
        const { link, side } = this.#way(member.self, other.self)
        return { link, side }
      },
    })
    this.#trace.note(this.#nameOf(member.self), `has got block ${name}`)
    return bytes
  }

  announceBlock (member: NetworkMember, cid: CID): void {
    const name = cid.toString()
    for (const other of this.connected(member)) {
      if (!other.wants.has(name)) continue
      const { link, side } = this.#way(member.self, other.self)
      link.carryTo(side)(() => { for (const wake of other.wants.get(name) ?? []) wake() })
    }
  }

  #deliver (member: NetworkMember, topic: string, message: { from: PeerId, data: Uint8Array }, delayMs: number): void {
    this.#clock.after(delayMs, () => {
      if (this.#members.get(member.self) !== member) return
      this.#trace.note(this.#nameOf(member.self), `heard ${message.data.length} bytes of ${topic} from ${this.#nameOf(message.from)}`)
      member.clock.run(() => {
        this.#onHeard(member.self, topic, message)
        member.deliver(topic, message)
      })
    })
    if (this.#random.chance(this.conditions.gossipDuplicates)) this.#deliver(member, topic, message, delayMs + this.#delayMs())
  }

  #delayMs (): number {
    const { leastDelayMs, mostDelayMs, spikes } = this.conditions
    const delayMs = this.#random.between(leastDelayMs, mostDelayMs)
    return spikes > 0 && this.#random.chance(spikes) ? this.#random.between(delayMs, longestDelayMs) : delayMs
  }

  #way (from: PeerId, to: PeerId): Way {
    const known = this.#ways.get(from)?.get(to)
    if (known !== undefined) return known
    const link = new Link(this.#clock, () => this.#delayMs())
    this.#links.push(link)
    const there: Way = { link, side: from < to ? 1 : 0 }
    this.#waysFrom(from).set(to, there)
    this.#waysFrom(to).set(from, { link, side: there.side === 0 ? 1 : 0 })
    return there
  }

  #waysFrom (peer: PeerId): Map<PeerId, Way> {
    let ways = this.#ways.get(peer)
    if (ways === undefined) this.#ways.set(peer, ways = new Map())
    return ways
  }

  #reviewAll (): void {
    const peers = this.members
    for (const [i, a] of peers.entries()) for (const b of peers.slice(i + 1)) this.#review(a, b)
  }

  /** Sees to it that a connection that could be is made, and that one that lets nothing through is given up. */
  #review (a: PeerId, b: PeerId): void {
    const { link } = this.#way(a, b)
    if (link.isUp !== link.isCut || link.isReviewed) return
    link.isReviewed = true
    const { session } = link
    const waitMs = link.isUp ? this.#random.between(deadConnectionMs / 4, deadConnectionMs) : this.#random.between(this.#delayMs(), reconnectMs)
    this.#clock.after(waitMs, () => {
      link.isReviewed = false
      const [first, second] = [this.#members.get(a), this.#members.get(b)]
      if (first === undefined || second === undefined) return
      if (link.session === session) {
        if (link.isUp && link.isCut) this.#lose(link)
        else if (!link.isUp && !link.isCut) this.#connect(link, first, second)
      }
      this.#review(a, b)
    })
  }

  #connect (link: Link, a: NetworkMember, b: NetworkMember): void {
    link.connect(a.self < b.self ? [a, b] : [b, a])
    this.#trace.note(this.#nameOf(a.self), `connected to ${this.#nameOf(b.self)}`)
    a.tell(b.self, true)
    b.tell(a.self, true)
  }

  #lose (link: Link): void {
    const { ends } = link
    if (ends === undefined) return
    const [a, b] = ends
    link.lose()
    this.#trace.note(this.#nameOf(a.self), `lost the connection to ${this.#nameOf(b.self)}`)
    a.tell(b.self, false)
    b.tell(a.self, false)
    if (this.#members.has(a.self) && this.#members.has(b.self)) this.#review(a.self, b.self)
  }
}
