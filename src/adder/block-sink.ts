import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Block } from '../ipfs/connector.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'

/** Takes the blocks of a DAG in the order in which they are done. */
export interface BlockSink {
  /** Takes a block. The result, when there is one, must be waited for before much more is put: it is the back-pressure. */
  put (block: Block): Promise<void> | undefined
}

/** A peer that stores blocks. */
export interface BlockDestination {
  readonly peer: PeerId
  /** Stores blocks as they come, with back-pressure; resolves when it has all. */
  putBlocks (blocks: AsyncIterable<Block>, options: CallOptions): Promise<void>
}

/** The blocks of one DAG on their way to every destination. */
export interface BlockStream extends BlockSink {
  /** No more blocks: resolves when at least one destination has all. @throws ClusterError `IPFS_UNREACHABLE`, `CANCELLED` */
  close (): Promise<void>
  /** Gives up: destinations are told, nothing is held any more. Safe after {@link close}. */
  abort (reason: unknown): void
}

export interface BlockStreamOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  /** Bytes that wait for one destination before the upload is slowed down. */
  readonly windowBytes?: number
  /** A destination that does nothing for so long although blocks wait for it is given up. */
  readonly stallTimeoutMs?: number
}

/** Enough for a link of 1 Gbit/s and 60 ms; the destinations share the blocks, so it counts once. */
const defaultWindowBytes = 8 * 1024 * 1024
/** An IPFS node may collect garbage or sync its disk for a while. */
const defaultStallTimeoutMs = 2 * 60 * 1000
/** What a block costs beside its bytes: many tiny ones fill the window too. */
const blockOverheadBytes = 256
/** Builders put the same block twice in a row at most over one other (holes in files). */
const rememberedBlocks = 2

/**
 * Sends every block to every destination at the pace of the slowest. One that fails or stalls is
 * dropped with a warning while another is left: IPFS nodes fetch from each other what they miss.
 */
export function blockStream (destinations: readonly BlockDestination[], options: BlockStreamOptions): BlockStream {
  const { clock, logger, signal } = options
  const windowBytes = options.windowBytes ?? defaultWindowBytes
  const stallTimeoutMs = options.stallTimeoutMs ?? defaultStallTimeoutMs
  const failures: Array<{ peer: PeerId, error: unknown }> = []
  const recent: Uint8Array[] = []
  let unsentBytes = 0
  let failure: unknown
  let closed = false
  let changing: Promise<void> | undefined
  let announceChange: () => void = () => {}
  let waiting: Promise<void> | undefined

  const lanes = new Set(destinations.map(destination => openLane(destination, clock, () => announceChange())))
  for (const lane of lanes) lane.done.then(() => announceChange(), (error: unknown) => drop(lane, error))

  function drop (lane: Lane, error: unknown): void {
    if (!lanes.delete(lane)) return
    lane.abort(error)
    failures.push({ peer: lane.peer, error })
    if (failure === undefined) logger.warn({ peer: lane.peer, error: errorText(error) }, `a destination of an add failed${lanes.size > 0 ? '; the others go on' : ', and no other is left'}`)
    announceChange()
  }

  /** Resolves when something changed, or when it is time to look for silent destinations. */
  async function change (): Promise<void> {
    await (changing ??= new Promise<void>(resolve => {
      const cancelTimer = clock.after(Math.ceil(stallTimeoutMs / 4), () => announceChange())
      announceChange = () => {
        cancelTimer()
        changing = undefined
        resolve()
      }
    }))
    for (const lane of lanes) {
      const silentMs = lane.silentForMs()
      if (silentMs >= stallTimeoutMs) drop(lane, new ClusterError('TIMED_OUT', `${lane.peer} took no block for ${Math.round(silentMs / 1000)} seconds`))
    }
  }

  function check (): void {
    if (failure !== undefined) throw failure
    if (lanes.size === 0 && (destinations.length > 0 || closed || unsentBytes > windowBytes)) {
      throw new ClusterError('IPFS_UNREACHABLE', 'failed to put block on all destinations', {
        cause: failures[0]?.error,
        details: { failures: failures.map(({ peer, error }) => `${peer}: ${errorText(error)}`) },
      })
    }
  }

  function isFull (): boolean {
    for (const lane of lanes) if (lane.waitingBytes() >= windowBytes) return true
    return false
  }

  async function room (): Promise<void> {
    while (isFull()) await change()
    waiting = undefined
    check()
  }

  function abort (reason: unknown): void {
    failure ??= reason
    signal?.removeEventListener('abort', cancel)
    for (const lane of lanes) lane.abort(reason)
    lanes.clear()
    announceChange()
  }

  function cancel (): void {
    abort(new ClusterError('CANCELLED', 'the add was cancelled', { cause: signal?.reason }))
  }

  signal?.addEventListener('abort', cancel, { once: true })
  if (signal?.aborted === true) cancel()

  return {
    put (block) {
      check()
      const cid = block.cid.bytes
      if (recent.some(other => sameBytes(other, cid))) return undefined
      recent.push(cid)
      if (recent.length > rememberedBlocks) recent.shift()
      if (lanes.size === 0) unsentBytes += block.bytes.length
      for (const lane of lanes) lane.push(block)
      if (!isFull()) return undefined
      if (waiting === undefined) {
        waiting = room()
        // A caller that failed for another reason does not come back for it.
        waiting.catch(() => {})
      }
      return waiting
    },
    async close () {
      closed = true
      for (const lane of lanes) lane.end()
      while (failure === undefined && [...lanes].some(lane => !lane.isDone())) await change()
      signal?.removeEventListener('abort', cancel)
      check()
    },
    abort,
  }
}

/** The way to one destination. */
interface Lane {
  readonly peer: PeerId
  readonly done: Promise<void>
  push (block: Block): void
  end (): void
  abort (reason: unknown): void
  isDone (): boolean
  /** Bytes that it has not finished with, those in its hands included. */
  waitingBytes (): number
  /** Since when blocks, or the end, wait for it; 0 when nothing does. */
  silentForMs (): number
}

function openLane (destination: BlockDestination, clock: Clock, onProgress: () => void): Lane {
  const controller = new AbortController()
  let queue: Block[] = []
  let head = 0
  let queuedBytes = 0
  let inHandBytes = 0
  let ended = false
  let finished = false
  let progressAt = clock.monotonic()
  let wake: (() => void) | undefined

  async function next (): Promise<IteratorResult<Block>> {
    progressAt = clock.monotonic()
    if (inHandBytes > 0) {
      inHandBytes = 0
      onProgress()
    }
    while (head === queue.length && !ended && !controller.signal.aborted) {
      await new Promise<void>(resolve => { wake = resolve })
    }
    controller.signal.throwIfAborted()
    if (head === queue.length) return { done: true, value: undefined }
    const block = queue[head++] as Block
    if (head === queue.length) {
      queue = []
      head = 0
    }
    inHandBytes = weight(block)
    queuedBytes -= inHandBytes
    return { done: false, value: block }
  }

  function rouse (): void {
    if (wake === undefined) return
    progressAt = clock.monotonic()
    wake()
    wake = undefined
  }

  const blocks: AsyncIterable<Block> = { [Symbol.asyncIterator]: () => ({ next }) }
  async function run (): Promise<void> {
    await destination.putBlocks(blocks, { signal: controller.signal })
    if (!ended || head < queue.length) throw new ClusterError('IPFS_ANSWER', `${destination.peer} stopped taking blocks before the end`)
    finished = true
  }
  return {
    peer: destination.peer,
    done: run(),
    push (block) {
      queue.push(block)
      queuedBytes += weight(block)
      rouse()
    },
    end () {
      ended = true
      rouse()
    },
    abort (reason) {
      controller.abort(reason)
      queue = []
      head = 0
      queuedBytes = 0
      rouse()
    },
    isDone: () => finished,
    waitingBytes: () => queuedBytes + inHandBytes,
    silentForMs: () => finished || wake !== undefined ? 0 : clock.monotonic() - progressAt,
  }
}

function weight (block: Block): number {
  return block.bytes.length + blockOverheadBytes
}

function sameBytes (a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  // Digests differ early in their last bytes as well as anywhere; prefixes are the same for all.
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}
