import type { RangeReply, RangeStart, StatusRange } from '../../codec/status-ranges.ts'
import { cidKey } from '../../domain/cid.ts'
import type { PinInfo } from '../../domain/status.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { digestOfPins, isSameDigest } from './range-digest.ts'

/** Statuses of one range that are held until its digest is known: several times what a range of equal pinsets has. */
const maxHeld = 8_192
/** The same in bytes of their pins. */
const maxHeldBytes = 8 * 1024 * 1024
/** All statuses of the range follow, as they are. */
const inFull: RangeStart = { isEqual: false, unexpected: 0, peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null }

/**
 * Says the statuses of this peer to one that has the pinset too, range by range as that one cuts it:
 * where both have the same pins only what is not as the pinset lets expect, else everything. The
 * listing starts at once, however late the first range comes.
 * @throws the error of the listing, after what was listed before it
 */
export async function * answerRanges (listed: AsyncIterable<ListedStatus[]>, ranges: AsyncIterable<StatusRange>): AsyncGenerator<RangeReply[]> {
  const listing = new Listing(listed)
  try {
    for await (const range of ranges) yield * answerRange(listing, range)
  } finally {
    listing.close()
  }
}

async function * answerRange (listing: Listing, { last, digest }: StatusRange): AsyncGenerator<RangeReply[]> {
  /** Undefined when the range is told in full: nothing waits for its digest then. */
  let held: ListedStatus[] | undefined = digest.length > 0 ? [] : undefined
  let heldBytes = 0
  if (held === undefined) yield [inFull]
  try {
    for (let some = await listing.upTo(last); some !== undefined; some = await listing.upTo(last)) {
      if (held === undefined) {
        yield infosOf(some)
      } else {
        held.push(...some)
        for (const { value } of some) heldBytes += value?.length ?? 0
        if (held.length <= maxHeld && heldBytes <= maxHeldBytes) continue
        yield [inFull, ...infosOf(held)]
        held = undefined
      }
    }
  } catch (error) {
    if (held !== undefined) yield [inFull, ...infosOf(held)]
    throw error
  }
  if (held === undefined) return
  yield isSameDigest(digest, digestOfPins(held)) ? whatIsUnexpected(held) : [inFull, ...infosOf(held)]
}

function whatIsUnexpected (held: readonly ListedStatus[]): RangeReply[] {
  const { peername, ipfsPeerId, ipfsPeerAddresses } = held.find(({ isExpected }) => isExpected)?.identity ?? inFull
  // What this peer knows of its IPFS node may have changed within the range.
  const unexpected = held.filter(({ isExpected, identity }) => !isExpected || identity.ipfsPeerId !== ipfsPeerId || identity.ipfsPeerAddresses !== ipfsPeerAddresses)
  return [{ isEqual: true, unexpected: unexpected.length, peername, ipfsPeerId, ipfsPeerAddresses }, ...infosOf(unexpected)]
}

function infosOf (listed: readonly ListedStatus[]): PinInfo[] { return listed.map(({ info }) => info) }

/** Cuts a listing where it is told to. */
class Listing {
  readonly #iterator: AsyncIterator<ListedStatus[]>
  #next: Promise<IteratorResult<ListedStatus[]>>
  #batch: ListedStatus[] = []
  #at = 0

  constructor (listed: AsyncIterable<ListedStatus[]>) {
    this.#iterator = listed[Symbol.asyncIterator]()
    this.#next = this.#request()
  }

  /** The next statuses up to the key, or all when it is empty, some at a time; undefined when no more are left of them. */
  async upTo (last: string): Promise<ListedStatus[] | undefined> {
    while (this.#at === this.#batch.length) {
      const { done, value } = await this.#next
      if (done === true) return undefined
      this.#batch = value
      this.#at = 0
      this.#next = this.#request()
    }
    const from = this.#at
    this.#at = last === '' ? this.#batch.length : this.#firstBehind(last)
    return this.#at === from ? undefined : this.#batch.slice(from, this.#at)
  }

  /** The listing may hang: it is not waited for, its signal ends it. */
  close (): void { this.#iterator.return?.().catch(() => {}) }

  #firstBehind (last: string): number {
    const isBehind = (at: number): boolean => cidKey((this.#batch[at] as ListedStatus).cid) > last
    // Equal pinsets are cut alike: nearly always the whole batch belongs to the range.
    if (!isBehind(this.#batch.length - 1)) return this.#batch.length
    let low = this.#at
    for (let high = this.#batch.length - 1; low < high;) {
      const middle = (low + high) >>> 1
      if (isBehind(middle)) high = middle
      else low = middle + 1
    }
    return low
  }

  /** One batch ahead: it is made while the caller takes the one before. */
  #request (): Promise<IteratorResult<ListedStatus[]>> {
    const next = this.#iterator.next()
    next.catch(() => {})
    return next
  }
}
