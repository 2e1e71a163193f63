import { ClusterError } from '../../domain/errors.ts'
import type { Random } from '../../platform/random.ts'
import type { Block, PutCallOptions } from '../connector.ts'
import { BlockRequest } from './block-request.ts'
import { cancelled, type Deadline } from './exchange.ts'
import { FailureWatch } from './failure-watch.ts'
import type { KuboRpc } from './kubo-rpc.ts'
import { codecName, hashName } from './multicodec-names.ts'

/** Requests open at the same time: a DAG has leaves and nodes, seldom a third kind of block. */
const maxOpenRequests = 4
/**
 * A request ends after so many blocks or bytes, which bounds what waits for confirmation: a node,
 * or what stands before it, may read a whole request before it answers.
 */
const maxBlocksInRequest = 16_384
const maxBytesInRequest = 32 * 2 ** 20
/** Requests that are complete and wait for the node's last confirmations, while others go on. */
const maxEndingRequests = 2
const identityHash = 0x00

export interface UploadParts {
  readonly rpc: KuboRpc
  readonly random: Random
  /** For the node to take or confirm a block; the time that the source takes does not count. */
  readonly deadline: Deadline
  /** Told of each block when it has been sent. */
  readonly onSent: (sizeBytes: number) => void
}

/**
 * Streams blocks to the node, each kind (codec and hash) in a request of its own that stays open as
 * long as blocks of the kind come. Resolves when the node has confirmed all; a block that it stores
 * under another hash is an error.
 */
export async function putBlocks (parts: UploadParts, blocks: AsyncIterable<Block>, options: PutCallOptions): Promise<void> {
  const upload = new Upload(parts, options)
  const source = blocks[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await upload.orFailure(source.next())
      if (next.done === true) break
      await upload.put(next.value)
    }
    await upload.end()
  } catch (error) {
    upload.abort(error)
    // The source may be in the middle of a wait; it learns of the end when it comes back from it.
    Promise.resolve(source.return?.()).catch(() => {})
    throw error
  }
}

class Upload {
  readonly #parts: UploadParts
  readonly #options: PutCallOptions
  /** Open requests by their path, the one used last at the end. */
  readonly #requests = new Map<string, BlockRequest>()
  /** Complete requests, the oldest first. */
  readonly #ending = new Map<BlockRequest, Promise<void>>()
  readonly #watch = new FailureWatch()
  readonly #forgetSignal: () => void

  constructor (parts: UploadParts, options: PutCallOptions) {
    const { signal } = options
    this.#parts = parts
    this.#options = options
    const onAbort = (): void => { this.#watch.fail(cancelled(signal?.reason)) }
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#forgetSignal = () => { signal?.removeEventListener('abort', onAbort) }
  }

  /** The outcome of `wait`, or the failure of any request when that comes first. */
  orFailure<T> (wait: Promise<T>): Promise<T> { return this.#watch.until(wait) }

  async put (block: Block): Promise<void> {
    const { multihash } = block.cid
    if (multihash.code === identityHash) {
      if (Buffer.compare(multihash.digest, block.bytes) !== 0) throw new ClusterError('IPFS_ANSWER', `the bytes of block ${block.cid.toString()} are not what its CID says`)
      return // Its CID holds it.
    }
    const path = blockPutPath(block)
    let request = this.#requests.get(path)
    if (request !== undefined && (request.blocks >= maxBlocksInRequest || request.bytes >= maxBytesInRequest)) {
      await this.#close(path, request)
      request = undefined
    }
    if (request === undefined) request = await this.#open(path, block.cid.code)
    else this.#requests.delete(path)
    this.#requests.set(path, request)
    await request.put(block)
    this.#parts.onSent(block.bytes.length)
  }

  async end (): Promise<void> {
    await this.orFailure(Promise.all([...this.#ending.values(), ...[...this.#requests.values()].map(request => request.end())]))
    this.#forgetSignal()
  }

  abort (error: unknown): void {
    this.#forgetSignal()
    const reason = error instanceof ClusterError ? error : new ClusterError('CANCELLED', 'the source of the blocks failed', { cause: error })
    for (const request of [...this.#requests.values(), ...this.#ending.keys()]) request.abort(reason)
  }

  async #open (path: string, codec: number): Promise<BlockRequest> {
    const oldest = this.#requests.entries().next().value
    if (oldest !== undefined && this.#requests.size >= maxOpenRequests) await this.#close(...oldest)
    const { rpc, random, deadline } = this.#parts
    const onFailure = (error: unknown): void => { this.#watch.fail(error) }
    return new BlockRequest(rpc, { path, codec, boundary: Buffer.from(random.bytes(24)).toString('hex'), deadline, signal: this.#options.signal, onFailure, onConfirmed: this.#options.onProgress })
  }

  /** Ends a request; its confirmations are waited for later, unless too many wait already. */
  async #close (path: string, request: BlockRequest): Promise<void> {
    this.#requests.delete(path)
    const ended = request.end()
    this.#ending.set(request, ended)
    ended.then(() => { this.#ending.delete(request) }, (error: unknown) => { this.#watch.fail(error) })
    const [oldest] = this.#ending.values()
    if (this.#ending.size > maxEndingRequests && oldest !== undefined) await this.orFailure(oldest)
  }
}

function blockPutPath ({ cid }: Block): string {
  const codec = codecName(cid.code)
  if (codec === undefined) throw new ClusterError('UNSUPPORTED', `cannot find name for the blocks' CID codec: ${cid.code.toString(16)}`)
  const hash = hashName(cid.multihash.code)
  if (hash === undefined) throw new ClusterError('UNSUPPORTED', `cannot find name for the blocks' Multihash type: ${cid.multihash.code.toString(16)}`)
  return `block/put?allow-big-block=true&cid-codec=${codec}&mhlen=${cid.multihash.size}&mhtype=${hash}&pin=false`
}
