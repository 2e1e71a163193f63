import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Block, PutCallOptions } from '../ipfs/connector.ts'
import type { Clock } from '../platform/clock.ts'

/** A peer that stores blocks. */
export interface BlockDestination {
  readonly peer: PeerId
  /** Stores blocks as they come, with back-pressure; resolves when it has all. */
  putBlocks (blocks: AsyncIterable<Block>, options: PutCallOptions): Promise<void>
}

/** The way of the blocks of one DAG to one destination. */
export interface BlockLane {
  readonly peer: PeerId
  /** Resolves when the destination has every block. */
  readonly done: Promise<void>
  push (block: Block): void
  end (): void
  abort (reason: unknown): void
  isDone (): boolean
  /** Bytes that it has not finished with, those in its hands included. */
  waitingBytes (): number
  /** Since when blocks, or the end, wait for it; 0 when nothing does. */
  silentForMs (): number
  /** Says whether the others wait for this one alone, from now on. */
  setHolding (isHolding: boolean): void
  /** How long they did, less what is forgiven for the time in which they did not. */
  heldMs (): number
}

/** What a block costs beside its bytes: many tiny ones fill a window too. */
const blockOverheadBytes = 256
/**
 * A moment in which a lane holds nobody up makes good for so many in which it does: only one that
 * is slower than the others by more than this factor counts as slow in the long run.
 */
const forgiveness = 3

/** Opens the way to a destination; `onProgress` is called when it has finished with a block or needs one. */
export function openLane (destination: BlockDestination, clock: Clock, onProgress: () => void): BlockLane {
  const controller = new AbortController()
  /** What waits stands from `head` on; nothing is kept of what was taken. */
  let queue: Array<Block | undefined> = []
  let head = 0
  let queuedBytes = 0
  let inHandBytes = 0
  let isEnded = false
  /** Only who has asked for more after the last block can have all. */
  let sawEnd = false
  let isFinished = false
  let progressAt = clock.monotonic()
  let wake: (() => void) | undefined
  let isHolding = false
  let heldMs = 0
  let accountedAt = progressAt

  async function next (): Promise<IteratorResult<Block>> {
    progressAt = clock.monotonic()
    if (inHandBytes > 0) {
      inHandBytes = 0
      onProgress()
    }
    while (head === queue.length && !isEnded && !controller.signal.aborted) {
      await new Promise<void>(resolve => { wake = resolve })
    }
    controller.signal.throwIfAborted()
    const block = queue[head]
    if (block === undefined) {
      sawEnd = true
      return { done: true, value: undefined }
    }
    queue[head++] = undefined
    // A destination that lags behind never comes to the end of the queue.
    if (head * 2 >= queue.length) {
      queue = queue.slice(head)
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

  function account (): void {
    const now = clock.monotonic()
    const passedMs = now - accountedAt
    accountedAt = now
    heldMs = isHolding ? heldMs + passedMs : Math.max(0, heldMs - forgiveness * passedMs)
  }

  async function run (): Promise<void> {
    const blocks: AsyncIterable<Block> = { [Symbol.asyncIterator]: () => ({ next }) }
    // It may store for long what it has taken into its buffers.
    const onProgress = (): void => { progressAt = clock.monotonic() }
    await destination.putBlocks(blocks, { signal: controller.signal, onProgress })
    if (!sawEnd) throw new ClusterError('IPFS_ANSWER', `${destination.peer} stopped taking blocks before the end`)
    isFinished = true
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
      isEnded = true
      rouse()
    },
    abort (reason) {
      controller.abort(reason)
      queue = []
      head = 0
      queuedBytes = 0
      rouse()
    },
    isDone: () => isFinished,
    waitingBytes: () => queuedBytes + inHandBytes,
    silentForMs: () => isFinished || wake !== undefined ? 0 : clock.monotonic() - progressAt,
    setHolding (value) {
      account()
      isHolding = value
    },
    heldMs () {
      account()
      return heldMs
    },
  }
}

function weight (block: Block): number {
  return block.bytes.length + blockOverheadBytes
}
