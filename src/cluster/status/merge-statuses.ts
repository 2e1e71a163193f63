import { cidKey } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo } from '../../domain/status.ts'
import { globalWith, peerPart } from './status-lines.ts'

/** That a peer has nothing more to say of the CIDs up to this one, given by its `cidKey`: what others say of them need not wait. */
export interface NothingUpTo { readonly nothingUpTo: string }

/** What one peer says, in the order of `compareCids`. */
export interface StatusSource {
  readonly peer: PeerId
  readonly infos: AsyncIterable<readonly PinInfo[] | NothingUpTo>
}

export interface MergeOptions {
  /** Told once of each source that ended with an error. */
  readonly failed: (peer: PeerId, error: unknown) => void
  /** What stands for a peer that has failed in the statuses that follow; undefined: nothing. */
  readonly standIn: (peer: PeerId) => PeerPinStatus | undefined
}

/** Statuses per step of the result. */
const batchSize = 256
/** And characters of what those who pinned, or a peer that lies, may make as long as they like. */
const maxBatchText = 4 * 1024 * 1024

/**
 * Joins what all peers say of each CID, at constant memory: two batches of each source at most are
 * held, and nothing is read while the result is not. Sources that end with an error count as far
 * as they came, and so do those that break the order.
 */
export async function * mergeStatuses (sources: readonly StatusSource[], options: MergeOptions): AsyncGenerator<GlobalPinInfo[]> {
  const all = sources.map(source => new Cursor(source))
  const failed: PeerId[] = []
  try {
    let live = await advance(all, all, failed, options)
    let batch: GlobalPinInfo[] = []
    let text = 0
    while (live.length > 0) {
      const least = leastOf(live)
      if (least.current === undefined) {
        live = await advance(live, [least], failed, options)
        continue
      }
      const { merged, moved } = mergeAt(least, live, failed, options)
      batch.push(merged)
      text += textOf(merged)
      if (batch.length === batchSize || text > maxBatchText) {
        yield batch
        batch = []
        text = 0
      }
      // Nearly always the next status is at hand: only where it is not, others must be waited for.
      const waiting = moved.filter(cursor => !cursor.step())
      if (waiting.length > 0) live = await advance(live, waiting, failed, options)
    }
    if (batch.length > 0) yield batch
  } finally {
    for (const cursor of all) cursor.close()
  }
}

/** Loads the next batches of `waiting`; answers which of `live` have more. */
async function advance (live: readonly Cursor[], waiting: readonly Cursor[], failed: PeerId[], { failed: tell }: MergeOptions): Promise<Cursor[]> {
  await Promise.all(waiting.map(cursor => cursor.load()))
  for (const cursor of waiting) {
    if (cursor.error === undefined) continue
    failed.push(cursor.peer)
    tell(cursor.peer, cursor.error)
  }
  return live.filter(cursor => cursor.isLive)
}

/** Whose turn it is: of those at the same CID one that has a status, which need not wait for one that has none up to there. */
function leastOf (live: readonly Cursor[]): Cursor {
  let least = live[0] as Cursor
  for (const cursor of live) if (cursor.key < least.key || (cursor.key === least.key && least.current === undefined)) least = cursor
  return least
}

function mergeAt (least: Cursor, live: readonly Cursor[], failed: readonly PeerId[], { standIn }: MergeOptions): { merged: GlobalPinInfo, moved: Cursor[] } {
  const moved = live.filter(cursor => cursor.current !== undefined && cursor.key === least.key)
  const peerMap: Record<string, PeerPinStatus> = {}
  let teller = least.current as PinInfo
  for (const cursor of moved) {
    const info = cursor.current as PinInfo
    peerMap[cursor.peer] = peerPart(info)
    // A peer in error may know less of the pin than the others.
    if (teller.status === TrackerStatus.clusterError) teller = info
  }
  for (const peer of failed) {
    const status = standIn(peer)
    if (status !== undefined) peerMap[peer] ??= status
  }
  return { merged: globalWith(teller, peerMap), moved }
}

function textOf ({ name, allocations, origins, metadata }: GlobalPinInfo): number {
  let length = name.length + 64 * ((allocations?.length ?? 0) + (origins?.length ?? 0))
  for (const key in metadata) length += key.length + (metadata[key] as string).length
  return length
}

/** Where a source is. */
class Cursor {
  readonly peer: PeerId
  /** Undefined before the first {@link load}, at the end, and where the next status is not known yet. */
  current: PinInfo | undefined
  /** The key of {@link current}, or up to which there is none. */
  key = ''
  /** False before the first {@link load} and at the end. */
  isLive = false
  error: unknown
  readonly #iterator: AsyncIterator<readonly PinInfo[] | NothingUpTo>
  #batch: readonly PinInfo[] = []
  #at = 0
  #next: Promise<IteratorResult<readonly PinInfo[] | NothingUpTo>> | undefined

  constructor (source: StatusSource) {
    this.peer = source.peer
    this.#iterator = source.infos[Symbol.asyncIterator]()
    this.#request()
  }

  /** Goes to the next status; false when a batch must be loaded for it, or the order was broken. */
  step (): boolean {
    if (this.#at >= this.#batch.length) return false
    const info = this.#batch[this.#at++] as PinInfo
    const key = cidKey(info.cid)
    if (key <= this.key) {
      this.error = new ClusterError('INVALID_WIRE_DATA', `its list is out of order at ${info.cid}`)
      return false
    }
    this.key = key
    this.current = info
    return true
  }

  async load (): Promise<void> {
    this.current = undefined
    this.isLive = false
    try {
      while (this.error === undefined && !this.isLive) {
        const { done, value } = await (this.#next as Promise<IteratorResult<readonly PinInfo[] | NothingUpTo>>)
        if (done === true) return
        this.#request()
        if ('nothingUpTo' in value) {
          this.#batch = []
          this.#at = 0
          this.isLive = value.nothingUpTo > this.key
          if (this.isLive) this.key = value.nothingUpTo
        } else {
          this.#batch = value
          this.#at = 0
          this.isLive = this.step()
        }
      }
    } catch (error) {
      this.error = error
    }
  }

  /** Lets go of the source. One that hangs is not waited for: its signal ends it. */
  close (): void {
    this.#iterator.return?.().catch(() => {})
  }

  /** One batch ahead: the other side makes it while this one is merged. */
  #request (): void {
    this.#next = this.#iterator.next()
    this.#next.catch(() => {})
  }
}
