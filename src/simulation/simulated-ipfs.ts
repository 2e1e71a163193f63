import { createHash } from 'node:crypto'
import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { Block, IpfsConnector, IpfsPin, IpfsPinType, PinCallOptions } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { never, type PeerClock } from './peer-clock.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Pins per step of a list. */
const pinsPerStep = 64
/** After so long without a block the connector gives a pin up (its `pin_timeout`), in milliseconds. */
const pinTimeoutMs = 120_000
/** After so long without an answer it gives up on any other request. */
const requestTimeoutMs = 30_000
/** How soon a node that goes on answers what it has taken, in milliseconds. */
const lookMs = 1_000
const storageBytes = 1_000_000_000_000

/** How a node behaves; changed while it is in use. */
export interface NodeConditions {
  /** Refuses connections. */
  isDown: boolean
  /** Takes requests and never answers. */
  isHung: boolean
  /** Time of a request at most, in milliseconds. */
  answerMs: number
  /** Probability that a pin is confirmed and not made. */
  lies: number
  /** Takes no block that it does not have. */
  isFull: boolean
}

/** What nodes find of the content of others. */
export interface Content {
  /** No node finds it: pins of it come to nothing until it is taken out. */
  readonly unreachable: Set<Cid>
  /** The blocks of files that were added, by their roots. All other content comes from elsewhere, as soon as it is asked for. */
  readonly dags: Map<Cid, ReadonlySet<string>>
  readonly nodes: SimulatedNode[]
}

/** An IPFS node that outlives the processes of its cluster peer. */
export class SimulatedNode {
  readonly id: PeerId
  readonly pins = new Map<Cid, 'recursive' | 'direct'>()
  readonly blocks = new Map<string, Uint8Array>()
  readonly conditions: NodeConditions = { isDown: false, isHung: false, answerMs: 20, lies: 0, isFull: false }
  usedBytes: number
  readonly #random: SeededRandom
  readonly #content: Content
  /** Pins that were asked for and reached the node. */
  pinRequests = 0

  constructor (id: PeerId, random: SeededRandom, content: Content) {
    this.id = id
    this.#random = random
    this.#content = content
    content.nodes.push(this)
    this.usedBytes = random.integer(storageBytes / 2)
  }

  /** Loses some pins behind everybody's back; answers how many. */
  losePins (share: number): number {
    const lost = [...this.pins.keys()].filter(() => this.#random.chance(share))
    for (const cid of lost) this.pins.delete(cid)
    return lost.length
  }

  hasBlocks (blocks: ReadonlySet<string>): boolean { return blocks.values().every(block => this.blocks.has(block)) }

  /** True when all blocks of a file that was added are here; also of content of which no blocks are known. */
  isComplete (root: Cid): boolean { return this.hasBlocks(this.#content.dags.get(root) ?? new Set()) }

  /** The connector of one process of the peer. */
  connector (clock: PeerClock): IpfsConnector {
    const answer = <T> (options: CallOptions | undefined, work: () => T): Promise<T> => this.#answer(clock, options, work)
    return {
      kind: 'kubo',
      start: async () => {},
      stop: async () => {},
      id: options => answer(options, () => ({ id: this.id, addresses: [], error: '' })),
      version: options => answer(options, () => 'simulated'),
      pin: (pin, options) => this.#pin(clock, pin, options),
      pinMany: (pins, options) => this.#pinMany(clock, pins, options),
      unpin: (cid, options) => answer(options, () => { this.pins.delete(cid) }),
      unpinMany: (cids, options) => answer(options, () => cids.map(cid => { this.pins.delete(cid); return undefined })),
      pinStatus: (cid, options) => answer(options, (): IpfsPinType => this.pins.get(cid) ?? 'unpinned'),
      listPins: options => this.#list(clock, options),
      putBlocks: (blocks, options) => this.#putBlocks(clock, blocks, options),
      getBlock: (cid, options) => this.#getBlock(clock, cid, options),
      resolve: async path => path.slice('/ipfs/'.length) as Cid,
      repositoryStat: options => answer(options, () => ({ repoSize: this.usedBytes, storageMax: storageBytes, numberOfObjects: this.pins.size })),
      garbageCollect: async function * () {},
      swarmPeers: options => answer(options, () => []),
      connectSwarm: async () => {},
      configKey: async () => undefined,
    }
  }

  async #answer<T> (clock: PeerClock, options: CallOptions | undefined, work: () => T): Promise<T> {
    await this.#request(clock, options, this.#random.fraction() * this.conditions.answerMs)
    return work()
  }

  /** What every request goes through; a node that hangs holds it until the connector or its caller has had enough. */
  async #request (clock: PeerClock, options: CallOptions | undefined, timeMs: number): Promise<void> {
    try {
      if (this.conditions.isDown) await this.#wait(clock, 1, options)
      else if (this.conditions.isHung) await this.#hang(clock, options)
      else await this.#wait(clock, timeMs, options)
    } catch (error) {
      if (error instanceof ClusterError) throw error
      throw new ClusterError('CANCELLED', 'context canceled')
    }
    const { isDown, isHung } = this.conditions
    if (isDown || isHung) throw new ClusterError('IPFS_UNREACHABLE', isDown ? 'connection refused' : 'the IPFS node does not answer')
  }

  /** Until the connector gives up, or the node goes on: it answers what it has taken, then. */
  async #hang (clock: PeerClock, options: CallOptions | undefined): Promise<void> {
    for (let timeMs = 0; this.conditions.isHung && timeMs < requestTimeoutMs; timeMs += lookMs) await this.#wait(clock, lookMs, options)
  }

  async #wait (clock: PeerClock, timeMs: number, options: CallOptions | undefined): Promise<void> {
    if (clock.isDead) return never
    await sleep(clock, timeMs, options?.signal)
  }

  async #pin (clock: PeerClock, pin: Pin, options: PinCallOptions | undefined): Promise<void> {
    if (!this.conditions.isDown && !this.#finds(pin.cid)) {
      await this.#request(clock, options, pinTimeoutMs)
      throw new ClusterError('IPFS_STALLED', `no block came for ${pinTimeoutMs} ms`)
    }
    await this.#answer(clock, options, () => { this.#take(pin) })
    options?.onProgress?.(1)
  }

  /** One after the other, as Kubo does. */
  async #pinMany (clock: PeerClock, pins: readonly Pin[], options: PinCallOptions | undefined): Promise<Array<ClusterError | undefined>> {
    await this.#request(clock, options, 1)
    const errors: Array<ClusterError | undefined> = []
    for (const [done, pin] of pins.entries()) {
      if (!this.#finds(pin.cid)) {
        // The connector gives up on a batch sooner, and on all that is left of it.
        await this.#request(clock, options, pinTimeoutMs / 4)
        return [...errors, ...pins.slice(done).map(() => new ClusterError('IPFS_STALLED', 'came to a halt'))]
      }
      if (done % 8 === 0) await this.#request(clock, options, this.#random.fraction() * this.conditions.answerMs)
      errors.push(this.#tryToTake(pin))
      options?.onProgress?.(done + 1)
    }
    return errors
  }

  /** True when all that it does not have of this content is somewhere, with a node that answers. */
  #finds (cid: Cid): boolean {
    const { unreachable, dags } = this.#content
    if (unreachable.has(cid)) return false
    const others = this.#others()
    return (dags.get(cid) ?? new Set()).values().every(block => this.blocks.has(block) || others.some(node => node.blocks.has(block)))
  }

  /** Nodes that answer. */
  #others (): SimulatedNode[] { return this.#content.nodes.filter(({ conditions }) => !conditions.isDown && !conditions.isHung) }

  #tryToTake (pin: Pin): ClusterError | undefined {
    try {
      this.#take(pin)
      return undefined
    } catch (error) {
      if (error instanceof ClusterError) return error
      throw error
    }
  }

  #fetch (block: string): void {
    const bytes = this.#content.nodes.find(node => node.blocks.has(block))?.blocks.get(block)
    if (bytes !== undefined) this.blocks.set(block, bytes)
  }

  #take (pin: Pin): void {
    this.pinRequests++
    const missing = [...this.#content.dags.get(pin.cid) ?? []].filter(block => !this.blocks.has(block))
    if (this.conditions.isFull && (missing.length > 0 || !this.pins.has(pin.cid))) throw noSpace()
    for (const block of missing) this.#fetch(block)
    if (this.#random.chance(this.conditions.lies)) return
    if (pin.maxDepth === 0) {
      if (!this.pins.has(pin.cid)) this.pins.set(pin.cid, 'direct')
    } else {
      this.pins.set(pin.cid, 'recursive')
    }
  }

  async * #list (clock: PeerClock, options: CallOptions | undefined): AsyncGenerator<IpfsPin[]> {
    const pins = await this.#answer(clock, options, () => [...this.pins].map(([cid, type]) => ({ cid, type })))
    for (let at = 0; at < pins.length; at += pinsPerStep) {
      if (at > 0) await this.#request(clock, options, 1)
      yield pins.slice(at, at + pinsPerStep)
    }
  }

  async #putBlocks (clock: PeerClock, blocks: AsyncIterable<Block>, options: CallOptions | undefined): Promise<void> {
    for await (const block of blocks) {
      await this.#request(clock, options, this.#random.fraction() * this.conditions.answerMs)
      this.#store(block)
    }
    await this.#request(clock, options, 1)
  }

  /** A copy: whoever sent it uses the memory again. */
  #store ({ cid, bytes, release }: Block): void {
    const name = cid.toString()
    if (!this.blocks.has(name)) {
      if (this.conditions.isFull) throw noSpace()
      if (!createHash('sha256').update(bytes).digest().equals(cid.multihash.digest)) throw new ClusterError('IPFS_ANSWER', `${name} is not the CID of its bytes`)
      this.blocks.set(name, new Uint8Array(bytes))
    }
    release?.()
  }

  /** One that it does not have it fetches and keeps. */
  async #getBlock (clock: PeerClock, cid: Cid, options: CallOptions | undefined): Promise<Uint8Array> {
    if (!this.blocks.has(cid) && !this.conditions.isDown && this.#others().every(node => !node.blocks.has(cid))) {
      await this.#request(clock, options, requestTimeoutMs)
      throw new ClusterError('IPFS_UNREACHABLE', 'the IPFS node does not answer')
    }
    return this.#answer(clock, options, () => {
      this.#fetch(cid)
      return this.blocks.get(cid) as Uint8Array
    })
  }
}

function noSpace (): ClusterError { return new ClusterError('IPFS_ANSWER', 'no space left on device') }
