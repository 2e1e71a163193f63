import { cidKey, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo } from '../../domain/status.ts'
import { AgreedRange, ExpectedRange, type ExpectedStatus } from './expected-range.ts'
import { globalWith, peerPart } from './status-lines.ts'

/** That a peer has nothing more to say of the CIDs up to this one, given by its `cidKey`: what others say of them need not wait. */
export interface NothingUpTo { readonly nothingUpTo: string }

/** What one peer says, in the order of `compareCids`. */
export interface StatusSource {
  readonly peer: PeerId
  readonly infos: AsyncIterable<Said>
}

type Said = readonly PinInfo[] | ExpectedRange | NothingUpTo

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
 * as they came, and so do those that break the order. A range of which all of them say what is
 * expected is handed on as it is.
 */
export async function * mergeStatuses (sources: readonly StatusSource[], options: MergeOptions): AsyncGenerator<GlobalPinInfo[] | AgreedRange> {
  const all = sources.map(source => new Cursor(source))
  const failed: PeerId[] = []
  try {
    let live = await advance(all, all, failed, options)
    let batch: GlobalPinInfo[] = []
    let text = 0
    while (live.length > 0) {
      const least = leastOf(live)
      if (hasRangeAt(least.key, live)) {
        // Who has failed stands in each status that follows, unless it is left out.
        const agreed = failed.every(peer => options.standIn(peer) === undefined) ? agreedRange(live) : undefined
        if (agreed === undefined) {
          for (const cursor of live) if (cursor.key === least.key) cursor.expand()
          continue
        }
        if (batch.length > 0) yield batch
        batch = []
        text = 0
        yield agreed
        for (const cursor of live) cursor.pass()
        live = await advance(live, live, failed, options)
        continue
      }
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

/** True when one of them says a whole range from this key on. */
function hasRangeAt (key: string, live: readonly Cursor[]): boolean {
  for (const cursor of live) if (cursor.range !== undefined && cursor.key === key) return true
  return false
}

/** The range that all of them say, if they say the same one. */
function agreedRange (live: readonly Cursor[]): AgreedRange | undefined {
  const ranges = live.map(({ range }) => range)
  const first = ranges[0]
  return first !== undefined && ranges.every(range => range?.listed === first.listed) ? new AgreedRange(first.listed, (ranges as ExpectedRange[]).map(({ teller }) => teller)) : undefined
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

function textOf ({ name, allocations, origins, metadata, peerMap }: GlobalPinInfo): number {
  let length = name.length + 64 * ((allocations?.length ?? 0) + (origins?.length ?? 0))
  for (const key in metadata) length += key.length + (metadata[key] as string).length
  for (const peer in peerMap) {
    const { peername, ipfsPeerAddresses, error } = peerMap[peer] as PeerPinStatus
    length += peername.length + error.length
    for (const address of ipfsPeerAddresses ?? []) length += address.length
  }
  return length
}

/** Where a source is. */
class Cursor {
  readonly peer: PeerId
  /** Undefined before the first {@link load}, at the end, and where the next status is not known yet. */
  current: PinInfo | undefined
  /** The next statuses, not looked into yet. */
  range: ExpectedRange | undefined
  /** The key of {@link current} or of the first of {@link range}, or up to which there is none. */
  key = ''
  /** False before the first {@link load} and at the end. */
  isLive = false
  error: unknown
  readonly #iterator: AsyncIterator<Said>
  #batch: readonly PinInfo[] = []
  #at = 0
  #next: Promise<IteratorResult<Said>> | undefined

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
      this.error = outOfOrder(info.cid)
      return false
    }
    this.key = key
    this.current = info
    return true
  }

  /** Looks into the range. */
  expand (): void {
    if (this.range === undefined) return
    this.#batch = this.range.infos()
    this.#at = 1
    this.current = this.#batch[0]
    this.range = undefined
  }

  /** Leaves the range behind. */
  pass (): void {
    this.key = this.range?.lastKey ?? this.key
    this.range = undefined
  }

  async load (): Promise<void> {
    this.current = undefined
    this.isLive = false
    try {
      while (this.error === undefined && !this.isLive) {
        const { done, value } = await (this.#next as Promise<IteratorResult<Said>>)
        if (done === true) return
        this.#request()
        if ('nothingUpTo' in value) {
          this.#batch = []
          this.#at = 0
          this.isLive = value.nothingUpTo > this.key
          if (this.isLive) this.key = value.nothingUpTo
        } else if (value instanceof ExpectedRange) {
          this.#begin(value)
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

  #begin (range: ExpectedRange): void {
    this.#batch = []
    this.#at = 0
    if (range.firstKey <= this.key) throw outOfOrder((range.listed[0] as ExpectedStatus).cid)
    this.key = range.firstKey
    this.range = range
    this.isLive = true
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

function outOfOrder (cid: Cid): ClusterError { return new ClusterError('INVALID_WIRE_DATA', `its list is out of order at ${cid}`) }
