import type { Clock } from '../clock.ts'

/** How long a message waits for others to the same peer, in milliseconds. */
const gatherMs = 4
/** So much is not held back: what a message costs by itself is little beside its bytes. */
const mostGatheredBytes = 32 * 1024

/** Bytes, maybe in several pieces. */
type Bytes = Uint8Array | { readonly byteLength: number, subarray (): Uint8Array }

/** How gossipsub (17.1) writes to a peer: messages with their lengths. */
export interface GossipStream { pushPrefixed (bytes: Bytes): void }

interface Gathered { bytes: number, readonly parts: Bytes[] }

/**
 * Writes what goes to a peer within a few milliseconds at once. gossipsub writes each message, also
 * each that it passes on, by itself, and each write is a frame of the muxer, a message of Noise, a
 * run of the private network's cipher and a packet, on both sides: metrics come four at a time from
 * each peer, and in a large cluster a dozen times each. To the other side nothing has changed.
 */
export class GossipWrites {
  readonly #clock: Clock
  readonly #gathered = new Map<(bytes: Bytes) => void, Gathered>()
  #cancel: (() => void) | undefined

  /** @param streams those of gossipsub, to which it adds */
  constructor (streams: Map<string, GossipStream>, clock: Clock) {
    this.#clock = clock
    const set = streams.set.bind(streams)
    streams.set = (peer, stream) => set(peer, this.#gathering(stream))
  }

  /** Writes what waits. */
  flush (): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const write of this.#gathered.keys()) this.#write(write)
  }

  #gathering (stream: GossipStream): GossipStream {
    const write = stream.pushPrefixed.bind(stream)
    stream.pushPrefixed = bytes => { this.#add(write, bytes) }
    return stream
  }

  #add (write: (bytes: Bytes) => void, bytes: Bytes): void {
    const gathered = this.#gathered.get(write)
    if ((gathered?.bytes ?? 0) + bytes.byteLength > mostGatheredBytes) {
      this.#write(write)
      // Throws to gossipsub what it is made to hear.
      write(bytes)
      return
    }
    if (gathered === undefined) this.#gathered.set(write, { bytes: bytes.byteLength, parts: [bytes] })
    else {
      gathered.bytes += bytes.byteLength
      gathered.parts.push(bytes)
    }
    this.#cancel ??= this.#clock.after(gatherMs, () => { this.flush() })
  }

  #write (write: (bytes: Bytes) => void): void {
    const gathered = this.#gathered.get(write)
    if (gathered === undefined) return
    this.#gathered.delete(write)
    const { parts } = gathered
    const [first] = parts
    try {
      write(parts.length === 1 && first !== undefined ? first : Buffer.concat(parts.map(part => part.subarray())))
    } catch {
      // The stream has ended, which gossipsub is told by the stream.
    }
  }
}
