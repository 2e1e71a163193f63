import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Block } from '../ipfs/connector.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { openLane, type BlockDestination, type BlockLane } from './block-lane.ts'

/** Takes the blocks of a DAG in the order in which they are done. */
export interface BlockSink {
  /** Takes a block. The result, when there is one, must be waited for before much more is put: it is the back-pressure. */
  put (block: Block): Promise<void> | undefined
}

/** The blocks of one DAG on their way to every destination. */
export interface BlockStream extends BlockSink {
  /**
   * No more blocks: resolves when every destination has all or was dropped, and enough have all.
   * @throws ClusterError `IPFS_UNREACHABLE` (none is left), `NOT_ENOUGH_PEERS` (fewer than `minHolders` are), `CANCELLED`
   */
  close (): Promise<void>
  /** Gives up: destinations are told, nothing is held any more. Safe after {@link close}. */
  abort (reason: unknown): void
}

export interface BlockStreamOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  /** Destinations that must have all blocks; 1 when left out. With fewer the stream fails at once. */
  readonly minHolders?: number
  /** Bytes that wait for one destination before the upload is slowed down. */
  readonly windowBytes?: number
  /**
   * A destination that does nothing for so long although blocks wait for it is given up, later where
   * its copy is needed; also a slow one that kept the others waiting for so long.
   */
  readonly stallTimeoutMs?: number
}

/** Enough for a link of 1 Gbit/s and 60 ms; the destinations share the blocks, so it counts once. */
const defaultWindowBytes = 8 * 1024 * 1024
/** An IPFS node may collect garbage or sync its disk for a while. */
const defaultStallTimeoutMs = 2 * 60 * 1000
/**
 * One whose copy is needed gets so many times as long: between it and the disk of its node lie
 * windows and buffers, and when they have taken all, it says nothing until the disk has it. With
 * tiny blocks that is ten thousand of them, of which a busy disk syncs some thirty a second.
 */
const neededPatience = 5
/** How often silent and slow destinations are looked for in the stall time. */
const looksPerStall = 4
/** Builders put the same block twice in a row at most over one other (holes in files). */
const rememberedBlocks = 2

/**
 * Sends every block once to every destination. One that fails, stalls or falls far behind is
 * dropped with a warning while enough others are left: its IPFS node fetches from theirs what it
 * misses. What waits for a destination is bounded by the window, so the upload goes at the pace of
 * the slowest that is kept; one whose blocks are needed is waited for as long as it makes progress.
 */
export function blockStream (destinations: readonly BlockDestination[], options: BlockStreamOptions): BlockStream {
  const { clock, logger, signal } = options
  const minHolders = Math.max(1, options.minHolders ?? 1)
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

  const lanes = new Set(destinations.map(destination => openLane(destination, clock, onProgress)))
  for (const lane of lanes) lane.done.then(onProgress, (error: unknown) => drop(lane, error))

  function onProgress (): void {
    noteHolding()
    announceChange()
  }

  /** The others wait for a lane when it is behind by a window, or the last at the end, and enough of them have nothing to do. */
  function noteHolding (): void {
    if (lanes.size <= minHolders) return
    let idle = 0
    for (const lane of lanes) if (closed ? lane.isDone() : lane.waitingBytes() === 0) idle++
    for (const lane of lanes) {
      const isBehind = closed ? !lane.isDone() : lane.waitingBytes() >= windowBytes
      lane.setHolding(isBehind && idle >= minHolders)
    }
  }

  function drop (lane: BlockLane, error: unknown): void {
    if (!lanes.delete(lane)) return
    lane.abort(error)
    failures.push({ peer: lane.peer, error })
    if (failure === undefined) logger.warn({ peer: lane.peer, error: errorText(error) }, `a destination of an add failed${lanes.size >= minHolders ? '; the others go on' : lanes.size > 0 ? ', and too few are left' : ', and no other is left'}`)
    if (lanes.size < minHolders) failure ??= tooFew()
    if (failure !== undefined) abort(failure)
    onProgress()
  }

  function tooFew (): ClusterError {
    const details = { failures: failures.map(({ peer, error }) => `${peer}: ${errorText(error)}`) }
    const cause = failures[0]?.error
    if (lanes.size === 0) return new ClusterError('IPFS_UNREACHABLE', 'failed to put block on all destinations', { cause, details })
    return new ClusterError('NOT_ENOUGH_PEERS', `only ${lanes.size} of at least ${minHolders} peers took the blocks: ${details.failures.join('; ')}`, { cause, details })
  }

  /** Resolves when something changed, or when it is time to look for silent and slow destinations. */
  async function change (): Promise<void> {
    await (changing ??= new Promise<void>(resolve => {
      const cancelTimer = clock.after(Math.ceil(stallTimeoutMs / looksPerStall), () => announceChange())
      announceChange = () => {
        cancelTimer()
        changing = undefined
        resolve()
      }
    }))
    for (const lane of lanes) {
      const silentMs = lane.silentForMs()
      const patience = lanes.size > minHolders ? 1 : neededPatience
      if (silentMs >= patience * stallTimeoutMs) drop(lane, new ClusterError('TIMED_OUT', `${lane.peer} took no block for ${Math.round(silentMs / 1000)} seconds`))
      else if (lanes.size > minHolders && lane.heldMs() >= stallTimeoutMs) drop(lane, new ClusterError('TIMED_OUT', `${lane.peer} is too slow: the other peers waited for it most of the time`))
    }
  }

  /** The memory is free when every lane has said so; one that is dropped does not. */
  function pushShared (block: Block, release: () => void): void {
    const holders = new Set(lanes)
    for (const lane of lanes) {
      lane.push({ ...block, release: () => { if (holders.delete(lane) && holders.size === 0) release() } })
    }
  }

  function check (): void {
    if (failure !== undefined) throw failure
    if (lanes.size < minHolders && (destinations.length > 0 || closed || unsentBytes > windowBytes)) throw tooFew()
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
      if (recent.some(other => sameBytes(other, cid))) {
        block.release?.()
        return undefined
      }
      recent.push(cid)
      if (recent.length > rememberedBlocks) recent.shift()
      if (lanes.size === 0) unsentBytes += block.bytes.length
      if (lanes.size > 1 && block.release !== undefined) pushShared(block, block.release)
      else for (const lane of lanes) lane.push(block)
      if (!isFull()) return undefined
      noteHolding()
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
      noteHolding()
      while (failure === undefined && [...lanes].some(lane => !lane.isDone())) await change()
      signal?.removeEventListener('abort', cancel)
      check()
    },
    abort,
  }
}

function sameBytes (a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  // Digests differ early in their last bytes as well as anywhere; prefixes are the same for all.
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}
