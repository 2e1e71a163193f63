import type { PeerId } from '../../domain/peer.ts'
import { frame, readFrames } from '../bitswap/frames.ts'
import { sleep, type Clock } from '../clock.ts'
import { within } from '../deadline.ts'
import type { Network, PeerStream } from '../network.ts'

export const gossipReachProtocol = '/flotilla/gossip-reach/1.0.0'

/** How often it is looked whether the links are others, in milliseconds. */
const lookMs = 1_000
/**
 * From so many of those that are told it by its author a message comes to each of the others all the
 * same, with each message from other ones: a link may be cut for half a minute before either end knows.
 */
const passedOnBy = 2
/** With more links nobody is told of them: each change would cost each of them a longer message. */
const maxReached = 128
/** Of a peer ID, as text. */
const maxIdLength = 128
const maxFrameBytes = 32 * 1024
const nobody = '[]'
const openMs = 10_000
const pauseAfterFailureMs = 30_000

export interface GossipReachParts {
  readonly network: Pick<Network, 'self' | 'handle' | 'open' | 'speaks'>
  /** Peers to whom each message of this one goes straight. */
  readonly reached: () => readonly PeerId[]
  readonly clock: Clock
}

/** What another peer was told last, on a stream that stands as long as it is connected. */
interface Told {
  stream: PeerStream | undefined
  text: string | undefined
  isBusy: boolean
  /** After a failure not before this moment of the monotonic clock. */
  notBefore: number
}

/**
 * Tells the connected peers of our kind whom this one tells everything itself, and knows the same
 * of them: what they say need not be passed on to those, but by a few. In a cluster in which all are
 * connected each message comes three times to each peer then, where gossipsub alone has each pass it on
 * to all others. What a peer has said counts as long as the stream it was said on stands; a link that is
 * lost is told within a second, a new one when there was none for a second.
 */
export class GossipReach {
  readonly #parts: GossipReachParts
  readonly #stopping = new AbortController()
  /** From each peer one: who opens another one means that. */
  readonly #hearing = new Map<PeerId, PeerStream>()
  readonly #heard = new Map<PeerId, Reached>()
  readonly #told = new Map<PeerId, Told>()
  readonly #end: () => void

  constructor (parts: GossipReachParts) {
    this.#parts = parts
    this.#end = parts.network.handle(gossipReachProtocol, stream => { void this.#hear(stream) })
  }

  /** Begins to tell the others. */
  start (): void { void this.#tellAll(this.#stopping.signal) }

  stop (): void {
    this.#end()
    this.#stopping.abort()
    for (const stream of this.#hearing.values()) stream.reset()
    for (const { stream } of this.#told.values()) stream?.reset()
  }

  /** Whether that message of `author` need not be passed on to a peer, by this one; undefined: it goes to all. */
  spared (author: PeerId, sequence: bigint): Spared | undefined {
    const reached = this.#heard.get(author)
    return reached === undefined ? undefined : sparedBy(this.#parts.network.self, reached, sequence)
  }

  async #hear (stream: PeerStream): Promise<void> {
    const { peer } = stream
    this.#hearing.get(peer)?.reset()
    this.#hearing.set(peer, stream)
    try {
      for await (const bytes of readFrames(stream.incoming, maxFrameBytes)) {
        if (this.#hearing.get(peer) === stream) this.#heard.set(peer, decode(bytes))
      }
    } catch {
      // Nothing is known of the peer from here on.
    } finally {
      stream.reset()
      if (this.#hearing.get(peer) === stream) {
        this.#hearing.delete(peer)
        this.#heard.delete(peer)
      }
    }
  }

  async #tellAll (signal: AbortSignal): Promise<void> {
    let links: readonly PeerId[] = []
    let before = ''
    let text = nobody
    while (!signal.aborted) {
      const reached = this.#parts.reached()
      const found = reached.length > maxReached ? [] : reached.toSorted()
      const now = JSON.stringify(found)
      if (now === before || links.some(peer => !found.includes(peer))) {
        links = found
        text = now
      }
      before = now
      for (const peer of this.#told.keys()) if (!reached.includes(peer)) this.#forget(peer)
      for (const peer of reached) if (this.#parts.network.speaks(peer, gossipReachProtocol)) void this.#tell(peer, text)
      await sleep(this.#parts.clock, lookMs, signal).catch(() => {})
    }
  }

  #forget (peer: PeerId): void {
    this.#told.get(peer)?.stream?.reset()
    this.#told.delete(peer)
  }

  async #tell (peer: PeerId, text: string): Promise<void> {
    const { network, clock } = this.#parts
    const told = this.#told.get(peer) ?? { stream: undefined, text: undefined, isBusy: false, notBefore: -Infinity }
    this.#told.set(peer, told)
    if (told.stream?.signal.aborted === true) Object.assign(told, { stream: undefined, text: undefined })
    // Who was told nothing knows of nobody.
    if (told.isBusy || clock.monotonic() < told.notBefore || (told.text ?? nobody) === text) return
    told.isBusy = true
    try {
      told.stream ??= await within(clock, openMs, { signal: this.#stopping.signal }, limited => network.open(peer, gossipReachProtocol, limited))
      await told.stream.write(frame(Buffer.from(text)))
      told.text = text
    } catch {
      told.stream?.reset()
      Object.assign(told, { stream: undefined, text: undefined, notBefore: clock.monotonic() + pauseAfterFailureMs })
    }
    told.isBusy = false
    // It has gone meanwhile.
    if (this.#told.get(peer) !== told) told.stream?.reset()
  }
}

/** Peers that another one tells everything itself, in the order in which it has named them. */
type Reached = ReadonlySet<PeerId>

/** To whom a message is not passed on. */
export interface Spared { has (peer: string): boolean }

/**
 * Of those whom the author has told it `self` passes the message on to two, those that come in the list so
 * far behind it as the message's number says. All of them know the same list: each is sent it by two others.
 */
export function sparedBy (self: PeerId, reached: Reached, sequence: bigint): Spared {
  const order = [...reached]
  const place = order.indexOf(self)
  const among = order.length - passedOnBy
  // Too few to leave anybody out.
  if (among <= 1) return { has: () => false }
  const distance = 1 + Number(sequence % BigInt(among))
  const told = place < 0 ? [] : Array.from({ length: passedOnBy }, (_, n) => order[(place + distance + n) % order.length])
  return { has: peer => reached.has(peer as PeerId) && !told.includes(peer as PeerId) }
}

/** @throws SyntaxError, TypeError for what no peer of our kind says */
function decode (bytes: Uint8Array): Reached {
  const peers: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
  if (!Array.isArray(peers) || peers.length > maxReached || !peers.every(peer => typeof peer === 'string' && peer.length <= maxIdLength)) throw new TypeError('not a list of peers')
  return new Set(peers as PeerId[])
}
