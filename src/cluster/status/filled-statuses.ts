import { isRangeStart, type RangeReply, type RangeStart } from '../../codec/status-ranges.ts'
import { cidKey } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { PinInfo, StatusTeller } from '../../domain/status.ts'
import { expectedInfo, ExpectedRange } from './expected-range.ts'
import type { NothingUpTo } from './merge-statuses.ts'
import type { OwnRange, RangeReader } from './own-ranges.ts'

/**
 * The statuses of another peer from its answers by ranges: what it does not say because it is as the
 * pinset lets expect is filled in from this peer's own pins, which are the same there. Where it has
 * nothing that is said too: the next questions may wait for what the others have there.
 * @throws ClusterError `INVALID_WIRE_DATA`, and the error of `replies`
 */
export async function * filledStatuses (replies: AsyncIterable<readonly RangeReply[]>, reader: RangeReader, peer: PeerId): AsyncGenerator<PinInfo[] | ExpectedRange | NothingUpTo> {
  let filling: Filling | undefined
  /** All that it has up to this key is there. */
  let passed = ''
  for await (const batch of replies) {
    let infos: PinInfo[] = []
    let said = ''
    for (const reply of batch) {
      if (isRangeStart(reply)) {
        if (filling?.isDone === false) throw invalid('a range ends before what it has')
        const range = await reader.next()
        if (range === undefined) throw invalid('more ranges than were asked for')
        passed = filling?.last ?? passed
        filling = new Filling(range, reply, peer)
        if (filling.isAsExpected && range.expected !== undefined) {
          if (infos.length > 0) yield infos
          infos = []
          yield new ExpectedRange(range.expected, filling.teller)
          said = range.last
        } else {
          filling.begin(infos)
        }
      } else {
        if (filling === undefined) throw invalid('a status before the first range')
        filling.add(reply, infos)
      }
    }
    if (filling?.isDone === true && filling.isEqual) passed = filling.last
    const last = infos.at(-1)
    if (last !== undefined) {
      yield infos
      said = cidKey(last.cid)
    }
    if (passed > said) yield { nothingUpTo: passed }
  }
  if (filling?.isDone === false || await reader.next() !== undefined) throw invalid('it ends before the last range')
}

/** One range on its way. */
class Filling {
  readonly #range: OwnRange
  readonly #start: RangeStart
  /** Who says what is expected. */
  readonly teller: StatusTeller
  /** Our statuses of the range that are passed. */
  #at = 0
  /** Statuses that are still to come; 0 when nobody knows. */
  #left: number

  constructor (range: OwnRange, start: RangeStart, peer: PeerId) {
    if (start.isEqual && range.digest.length === 0) throw invalid('a range is equal whose digest it does not know')
    this.#range = range
    this.#start = start
    this.teller = { peer, peername: start.peername, ipfsPeerId: start.ipfsPeerId, ipfsPeerAddresses: start.ipfsPeerAddresses }
    this.#left = start.unexpected
  }

  get isDone (): boolean { return this.#left === 0 }

  get isEqual (): boolean { return this.#start.isEqual }

  /** True when there is nothing to say but what the pinset lets expect. */
  get isAsExpected (): boolean { return this.#start.isEqual && this.#start.unexpected === 0 }

  get last (): string { return this.#range.last }

  begin (infos: PinInfo[]): void {
    if (this.#start.isEqual && this.#left === 0) this.#fill(undefined, infos)
  }

  add (info: PinInfo, infos: PinInfo[]): void {
    if (this.#start.isEqual) {
      if (this.#left === 0) throw invalid('more statuses than a range has')
      this.#left--
      this.#fill(cidKey(info.cid), infos)
    }
    infos.push(info)
    if (this.#start.isEqual && this.#left === 0) this.#fill(undefined, infos)
  }

  /** The expected statuses up to the key, which itself is passed, or to the end. */
  #fill (end: string | undefined, infos: PinInfo[]): void {
    const { listed } = this.#range
    for (; this.#at < listed.length; this.#at++) {
      const { pin, cid } = listed[this.#at] as OwnRange['listed'][number]
      const key = end === undefined ? '' : cidKey(cid)
      if (end !== undefined && key > end) return
      if (pin !== undefined && key !== end) infos.push(expectedInfo(pin, this.teller))
    }
  }
}

function invalid (what: string): ClusterError {
  return new ClusterError('INVALID_WIRE_DATA', `its answer is out of order: ${what}`)
}
