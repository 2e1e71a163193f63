import { formatDuration } from '../../codec/duration.ts'
import { ClusterError } from '../../domain/errors.ts'
import { cidFromBytes, cidMultihash, parseCid, type Cid } from '../../domain/cid.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Block } from '../connector.ts'
import type { Deadline, Exchange } from './exchange.ts'
import { FailureWatch } from './failure-watch.ts'
import { cutOff, notUnderstood, refusal } from './failures.ts'
import { lineObject, LineSplitter } from './json-lines.ts'
import type { KuboRpc } from './kubo-rpc.ts'

/** Small blocks are gathered into pieces of this size; larger ones are handed on as they are, without a copy. */
const pieceBytes = 65_536
const ownPieceBytes = 16_384
/** What is left of a piece is filled further while so much fits in: any block that is not handed on as it is. */
const minRoomBytes = 2 * ownPieceBytes
/**
 * The HTTP client holds at most what its socket buffers, some 64 KiB, and one piece more. What was
 * taken so many bytes before the last has gone out, and its memory can be used for something else.
 */
const heldByClientBytes = 1024 * 1024

/** A `block/put` that stays open: a multipart stream of blocks of one codec and hash, confirmed by the node as they come. */
export class BlockRequest {
  bytes = 0
  blocks = 0
  readonly #path: string
  readonly #codec: number
  readonly #clock: Clock
  readonly #deadline: Deadline
  readonly #head: Buffer
  readonly #tail: Buffer
  readonly #exchange: Exchange
  readonly #watch = new FailureWatch()
  /** How often each multihash was sent and is not confirmed yet; no block is kept for it. */
  readonly #unconfirmed = new Map<string, number>()
  #piece: Buffer = Buffer.allocUnsafe(pieceBytes)
  #filled = 0
  /** What the HTTP client takes next, and who waits until it has. */
  #offer: Buffer | undefined
  #onTaken: (() => void) | undefined
  #onOffer: (() => void) | undefined
  /** Blocks whose memory is waited for, in the order in which the HTTP client took them. */
  readonly #taken: Block[] = []
  #takenBytes = 0
  #isEnded = false
  #cancelDeadline: (() => void) | undefined

  /** `onFailure` is told of a failure at once, whoever waits for what; `onConfirmed` of each block that the node has stored. */
  constructor (rpc: KuboRpc, options: { path: string, codec: number, boundary: string, deadline: Deadline, signal: AbortSignal | undefined, onFailure: (error: unknown) => void, onConfirmed?: (() => void) | undefined }) {
    this.#path = options.path
    this.#codec = options.codec
    this.#clock = rpc.clock
    this.#deadline = options.deadline
    this.#head = Buffer.from(`--${options.boundary}\r\nContent-Disposition: form-data; name="file"; filename="block"\r\nContent-Type: application/octet-stream\r\n\r\n`)
    this.#tail = Buffer.from(`--${options.boundary}--\r\n`)
    const lines = new LineSplitter(options.path, (bytes, start, end) => {
      this.#confirm(bytes, start, end)
      options.onConfirmed?.()
    })
    this.#exchange = rpc.start({
      path: options.path,
      isLasting: true,
      signal: options.signal,
      contentType: `multipart/form-data; boundary=${options.boundary}`,
      body: this.#pieces(),
      onData: chunk => {
        if (this.#cancelDeadline !== undefined) this.#waitForNode()
        lines.push(chunk)
      },
    })
    this.#exchange.done.then(() => {
      lines.end()
      if (!this.#isEnded || this.#unconfirmed.size > 0) throw cutOff(options.path)
    }).catch((error: unknown) => {
      this.#watch.fail(error)
      options.onFailure(error)
    }).finally(() => { this.#waitForSource() })
  }

  /** Sends a block; resolves when there is room for the next. */
  async put (block: Block): Promise<void> {
    const hash = hashKey(block.cid.multihash.bytes)
    this.#unconfirmed.set(hash, (this.#unconfirmed.get(hash) ?? 0) + 1)
    this.blocks++
    this.bytes += block.bytes.length
    const bytes = asBuffer(block.bytes)
    await this.#write(this.#head, bytes, lineEnd)
    // A connection that is taken but says nothing looks idle to the node, which may close it.
    if (this.blocks === 1) await this.#flush()
    if (block.release === undefined) return
    if (bytes.length < ownPieceBytes) block.release()
    else this.#releaseEarlier(block)
  }

  #releaseEarlier (block: Block): void {
    this.#taken.push(block)
    this.#takenBytes += block.bytes.length
    while (this.#takenBytes - (this.#taken[0] as Block).bytes.length >= heldByClientBytes) {
      const oldest = this.#taken.shift() as Block
      this.#takenBytes -= oldest.bytes.length
      oldest.release?.()
    }
  }

  /** Resolves when the node has confirmed every block. */
  async end (): Promise<void> {
    await this.#write(this.#tail)
    await this.#flush()
    this.#isEnded = true
    this.#onOffer?.()
    this.#waitForNode()
    await this.#watch.until(this.#exchange.done)
    if (this.#unconfirmed.size > 0) throw cutOff(this.#path)
    for (const block of this.#taken.splice(0)) block.release?.()
  }

  abort (error: ClusterError): void { this.#exchange.fail(error) }

  async #write (...parts: Buffer[]): Promise<void> {
    for (const bytes of parts) {
      const isLarge = bytes.length >= ownPieceBytes
      if (isLarge || this.#filled + bytes.length > this.#piece.length) await this.#flush()
      if (isLarge) await this.#hand(bytes)
      else this.#filled += bytes.copy(this.#piece, this.#filled)
    }
  }

  async #flush (): Promise<void> {
    if (this.#filled === 0) return
    const piece = this.#piece.subarray(0, this.#filled)
    // The HTTP client still holds the piece when it asks for the next: only the room behind it is free.
    const left = this.#piece.subarray(this.#filled)
    this.#piece = left.length >= minRoomBytes ? left : Buffer.allocUnsafe(pieceBytes)
    this.#filled = 0
    await this.#hand(piece)
  }

  async #hand (piece: Buffer): Promise<void> {
    const taken = new Promise<void>(resolve => { this.#onTaken = resolve })
    this.#offer = piece
    this.#onOffer?.()
    this.#waitForNode()
    await this.#watch.until(taken)
    this.#waitForSource()
  }

  async * #pieces (): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = this.#offer
      if (piece !== undefined) {
        this.#offer = undefined
        yield piece
        // The client comes back when the piece has gone out: only now is there room for more.
        this.#onTaken?.()
      } else if (this.#isEnded) {
        return
      } else {
        await new Promise<void>(resolve => { this.#onOffer = resolve })
      }
    }
  }

  #confirm (bytes: Buffer, start: number, end: number): void {
    const { Key: key, Message: message } = lineObject(this.#path, bytes, start, end)
    if (typeof message === 'string') throw refusal(this.#path, 500, message)
    if (typeof key !== 'string') throw notUnderstood(this.#path, bytes.toString('utf8', start, end))
    const hash = hashKey(multihashOf(this.#path, key))
    const count = this.#unconfirmed.get(hash)
    if (count === undefined) throw this.#notSent(key)
    if (count === 1) this.#unconfirmed.delete(hash)
    else this.#unconfirmed.set(hash, count - 1)
  }

  /** The node confirms in order, so it is the oldest unconfirmed block that it means. */
  #notSent (key: string): ClusterError {
    const [oldest] = this.#unconfirmed.keys()
    const meant = oldest === undefined ? '' : `: the bytes of block ${version1(this.#codec, Buffer.from(oldest, 'latin1'))} are probably not what its CID says`
    return new ClusterError('IPFS_ANSWER', `the IPFS node stored a block as ${key}, which was not sent${meant}`)
  }

  /** From now on the node is waited for, until it takes a piece or confirms a block. */
  #waitForNode (): void {
    this.#waitForSource()
    const { ms, option } = this.#deadline
    if (ms === 0 || this.#exchange.isSettled) return
    this.#cancelDeadline = this.#clock.after(ms, () => {
      this.#exchange.fail(new ClusterError('TIMED_OUT', `the IPFS node took no block and confirmed none for ${formatDuration(ms)} (${option})`))
    })
  }

  #waitForSource (): void {
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
  }
}

const lineEnd = Buffer.from('\r\n')

function hashKey (multihash: Uint8Array): string { return asBuffer(multihash).toString('latin1') }

/** Codecs below 2^14, which all are that `block/put` knows by name. */
function version1 (codec: number, multihash: Uint8Array): Cid {
  return cidFromBytes(Uint8Array.from([1, ...(codec < 0x80 ? [codec] : [(codec & 0x7f) | 0x80, codec >> 7]), ...multihash]))
}

function multihashOf (path: string, key: string): Uint8Array {
  try {
    return cidMultihash(parseCid(key))
  } catch {
    throw notUnderstood(path, key)
  }
}

function asBuffer (bytes: Uint8Array): Buffer { return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
