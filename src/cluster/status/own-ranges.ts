import type { StatusRange } from '../../codec/status-ranges.ts'
import { cidKey } from '../../domain/cid.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { PinInfo } from '../../domain/status.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { expectedOf, ExpectedRange, type ExpectedStatus } from './expected-range.ts'
import { digestOfPins } from './range-digest.ts'

/** A part of this peer's statuses; the last one is empty and stands for all that other peers have beyond them. */
export interface OwnRange extends StatusRange {
  readonly listed: readonly ListedStatus[]
  /** The same list if each of them says what its pin lets expect. */
  readonly expected: readonly ExpectedStatus[] | undefined
}

/** So many ranges are asked for before the first of them is merged: enough to hide the way to another peer and back. */
const maxLead = 8

/**
 * Shares one listing of this peer among the merge and the questions to all other peers. Ranges are
 * kept from when the first asks for them until the last reader has done with them, {@link maxLead}
 * at most.
 */
export class OwnRanges {
  readonly #listing: AsyncIterator<ListedStatus[]>
  readonly #readers = new Set<RangeReader>()
  readonly #kept: OwnRange[] = []
  /** Which range is the first that is kept. */
  #first = 0
  #listingRange: Promise<void> | undefined
  #isComplete = false
  #error: unknown
  #waiting: Array<() => void> = []

  constructor (listed: AsyncIterable<ListedStatus[]>) {
    this.#listing = listed[Symbol.asyncIterator]()
  }

  /** Of the listing, once it has ended with one. */
  get error (): unknown { return this.#error }

  /** Reads from the first range on. To be made before another reader reads. */
  reader (): RangeReader {
    const reader = new RangeReader(this, () => { this.#moved() })
    this.#readers.add(reader)
    return reader
  }

  /** This peer's own statuses. @throws the error of the listing, at its end */
  statuses (self: PeerId): AsyncGenerator<PinInfo[] | ExpectedRange> { return this.#statuses(self, this.reader()) }

  async * #statuses (self: PeerId, reader: RangeReader): AsyncGenerator<PinInfo[] | ExpectedRange> {
    try {
      for (let range = await reader.next(); range !== undefined; range = await reader.next()) {
        const { listed, expected } = range
        if (expected !== undefined) yield new ExpectedRange(expected, { peer: self, ...(expected[0] as ExpectedStatus).identity })
        else if (listed.length > 0) yield listed.map(({ info }) => info)
      }
      if (this.#error !== undefined) throw this.#error
    } finally {
      reader.close()
    }
  }

  /** Nobody reads any more. The listing may hang: it is not waited for, its signal ends it. */
  close (): void {
    for (const reader of this.#readers) reader.close()
    this.#listing.return?.().catch(() => {})
  }

  /** A range by its number; undefined behind the last, when all readers have passed it, and when none is left. */
  async at (number: number): Promise<OwnRange | undefined> {
    for (;;) {
      const range = this.#kept[number - this.#first]
      if (range !== undefined) return range
      if (number < this.#first || this.#isComplete || this.#readers.size === 0) return undefined
      if (this.#kept.length < maxLead) await (this.#listingRange ??= this.#list().finally(() => { this.#listingRange = undefined }))
      else await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    }
  }

  forget (reader: RangeReader): void {
    this.#readers.delete(reader)
    this.#moved()
  }

  async #list (): Promise<void> {
    try {
      const { done, value: listed } = await this.#listing.next()
      if (done === true) this.#end()
      else if (listed.length > 0) this.#kept.push({ last: cidKey((listed.at(-1) as ListedStatus).cid), digest: digestOfPins(listed), listed, expected: expectedOf(listed) })
    } catch (error) {
      this.#error = error
      this.#end()
    }
  }

  #end (): void {
    this.#kept.push({ last: '', digest: digestOfPins([]), listed: [], expected: undefined })
    this.#isComplete = true
  }

  #moved (): void {
    let least = Infinity
    for (const { done } of this.#readers) least = Math.min(least, done)
    while (this.#first < least && this.#kept.length > 0) {
      this.#kept.shift()
      this.#first++
    }
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** Goes through the ranges; what it has passed is not kept for it. */
export class RangeReader {
  readonly #ranges: OwnRanges
  readonly #onMoved: () => void
  #next = 0
  #asked = 0

  constructor (ranges: OwnRanges, onMoved: () => void) {
    this.#ranges = ranges
    this.#onMoved = onMoved
  }

  /** So many ranges from the first on are done with. */
  get done (): number { return Math.max(0, this.#next - 1) }

  get hasRead (): boolean { return this.#next > 0 }

  /** True when more ranges were asked for than have been read. */
  get isAsking (): boolean { return this.#asked > this.#next }

  /** The ranges to ask another peer for, as they are known. */
  async * questions (): AsyncGenerator<StatusRange> {
    for (;;) {
      const range = await this.#ranges.at(this.#asked)
      if (range === undefined) return
      this.#asked++
      yield { last: range.last, digest: range.digest }
    }
  }

  /** The next range, after which the one before is done with; undefined at the end. */
  async next (): Promise<OwnRange | undefined> {
    const number = this.#next++
    this.#onMoved()
    return this.#ranges.at(number)
  }

  close (): void { this.#ranges.forget(this) }
}
