import type { RangeReply, StatusRange } from '../../codec/status-ranges.ts'
import type { Consensus } from '../../consensus/consensus.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo } from '../../domain/status.ts'
import type { CallOptions, Platform } from '../../platform/lifecycle.ts'
import type { PeerStatuses } from '../../rpc/peer-calls.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { AgreedRange, expectedOf, type ExpectedRange, type ExpectedStatus } from './expected-range.ts'
import { filledStatuses } from './filled-statuses.ts'
import { mergeStatuses, type NothingUpTo, type StatusSource } from './merge-statuses.ts'
import { OwnRanges, type RangeReader } from './own-ranges.ts'
import { isRefusal } from './status.ts'
import { globalOf, toldByOthers, type LastKnown } from './status-lines.ts'
import type { StatusSorter } from './status-sorter.ts'

/** How often a peer that sends nothing is looked at, in milliseconds. */
const checkMs = 15_000
/** A peer may be silent for so long while it asks its IPFS node for all pins; longer than that node's own limit. */
const longestSilenceMs = 10 * 60_000
/** And while it looks for pins that match, of which there may be none: so many in a second are the least that it looks at. */
const leastPinsPerSecond = 20_000
/** The same of a peer that is asked by ranges: the others wait meanwhile for their next question, and for ten minutes at most. */
const longestRangeSilenceMs = 5 * 60_000
/** Statuses taken from one peer beyond those of the pinset, for what it works on: more would be an attack. */
const mostBeyondPinset = 1_000_000
/** Bytes that they may have on average. */
const averageBytes = 4_096

export interface AllStatusParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly followerMode: boolean
  readonly lastKnown: LastKnown
  /** False when a peer has not been heard of for longer than it may be silent. */
  readonly isAlive: (peer: PeerId) => boolean
  readonly sorter: StatusSorter
  readonly platform: Platform
}

/** Asks all peers for their statuses. */
export interface AskAll {
  /** In the order of `compareCids`. */
  local (options: CallOptions): AsyncIterable<PinInfo[]>
  remote (peer: PeerId, options: CallOptions): PeerStatuses
  /** Where all statuses are asked for: the shorter way, with peers that know it. */
  readonly ranges?: AskRanges
}

/** Asks other peers only for what does not follow from the pinset that all have. */
export interface AskRanges {
  /** This peer's own statuses, as `local`, with the pins. */
  listed (options: CallOptions): AsyncIterable<ListedStatus[]>
  isAnsweredBy (peer: PeerId): boolean
  remote (peer: PeerId, ranges: AsyncIterable<StatusRange>, options: CallOptions): AsyncIterable<RangeReply[]>
}

/**
 * What all members say of all pins, in the order of `compareCids`, at constant memory. A member
 * that fails is `cluster_error` from there on, and the iteration ends by throwing its error; one
 * that does not trust this peer is left out (spec/components.md 1.10).
 * @throws the error of the member that failed, an AggregateError when there are more
 */
export async function * statusesOfAllPeers (parts: AllStatusParts, ask: AskAll, options: CallOptions): AsyncGenerator<GlobalPinInfo[] | AgreedRange> {
  const { self, consensus, followerMode, platform: { clock, loggers }, lastKnown } = parts
  const members = followerMode ? [self] : await consensus.peers(options)
  if (members.length === 1 && members[0] === self) {
    yield * ask.ranges === undefined ? globalsOf(ask.local(options)) : statusesOfOne(self, ask.ranges.listed(options))
    return
  }
  const over = new AbortController()
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([over.signal, options.signal])
  const errors = new Map<PeerId, unknown>()
  const knowing = new Set(members.filter(peer => peer !== self && ask.ranges?.isAnsweredBy(peer) === true))
  const own = ask.ranges === undefined || knowing.size === 0 || !members.includes(self) ? undefined : new OwnRanges(ask.ranges.listed({ signal }))
  try {
    const sources = members.map((peer): StatusSource => {
      if (peer === self) return { peer, infos: own?.statuses(self) ?? ask.local({ signal }) }
      const infos = own !== undefined && knowing.has(peer) ? rangesOf(parts, ask, own.reader(), peer, signal) : remoteStatuses(parts, ask, peer, signal)
      return { peer, infos }
    })
    yield * mergeStatuses(sources, {
      failed: (peer, error) => {
        if (isRefusal(error)) return
        errors.set(peer, error)
        // Nobody waits for them any more: all of them end.
        if (options.signal?.aborted === true) return
        loggers.component('cluster').warn({ peer }, `statuses of a peer are missing: ${errorText(error)}`)
      },
      standIn: (peer): PeerPinStatus | undefined => errors.has(peer) ? toldByOthers(lastKnown, peer, TrackerStatus.clusterError, clock.now(), errorText(errors.get(peer))) : undefined,
    })
    options.signal?.throwIfAborted()
    const failures = [...errors].map(([peer, error]) => peer === self ? error : withPeer(peer, error))
    if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures)
  } finally {
    over.abort(new ClusterError('CANCELLED', 'nobody reads the statuses any more'))
    own?.close()
  }
}

/** The statuses of one peer alone. */
export async function * globalsOf (infos: AsyncIterable<readonly PinInfo[]>): AsyncGenerator<GlobalPinInfo[]> {
  for await (const batch of infos) yield batch.map(globalOf)
}

/** As {@link globalsOf}, from the listing with the pins. */
export async function * statusesOfOne (peer: PeerId, listed: AsyncIterable<readonly ListedStatus[]>): AsyncGenerator<GlobalPinInfo[] | AgreedRange> {
  for await (const batch of listed) {
    const expected = expectedOf(batch)
    yield expected === undefined ? batch.map(({ info }) => globalOf(info)) : new AgreedRange(expected, [{ peer, ...(expected[0] as ExpectedStatus).identity }])
  }
}

/** As {@link remoteStatuses}, of a peer that answers by ranges; of one of an earlier version all. */
async function * rangesOf (parts: AllStatusParts, ask: AskAll, reader: RangeReader, peer: PeerId, signal: AbortSignal): AsyncGenerator<readonly PinInfo[] | ExpectedRange | NothingUpTo> {
  const given = new AbortController()
  try {
    const replies = (ask.ranges as AskRanges).remote(peer, reader.questions(), { signal: AbortSignal.any([signal, given.signal]) })
    yield * filledStatuses(watch(parts, peer, replies, given, { limitMs: longestRangeSilenceMs, owes: () => reader.isAsking }), reader, peer)
    return
  } catch (error) {
    if (reader.hasRead || !(error instanceof ClusterError) || error.code !== 'UNSUPPORTED') throw error
  } finally {
    reader.close()
    given.abort(new ClusterError('CANCELLED', 'nobody reads the statuses any more'))
  }
  yield * remoteStatuses(parts, ask, peer, signal)
}

/** The statuses of another peer, in order, as long as it lives and keeps within bounds. */
async function * remoteStatuses (parts: AllStatusParts, ask: AskAll, peer: PeerId, signal: AbortSignal): AsyncGenerator<readonly PinInfo[]> {
  const given = new AbortController()
  const statuses = ask.remote(peer, { signal: AbortSignal.any([signal, given.signal]) })
  const watched = watch(parts, peer, statuses, given)
  try {
    // Only the first batch shows whether the order is promised.
    const { done, value } = await watched.next()
    if (done === true) return
    const rest = startingWith(value, watched)
    yield * statuses.isOrdered?.() === true ? rest : parts.sorter.sorted(rest, averageBytes * mostOf(parts))
  } finally {
    given.abort(new ClusterError('CANCELLED', 'nobody reads the statuses any more'))
  }
}

async function * startingWith<T> (first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first
  yield * rest
}

/** How many statuses a peer may list. */
function mostOf ({ consensus }: AllStatusParts): number { return 2 * consensus.pinset().count() + mostBeyondPinset }

/** How long a peer may be silent, in milliseconds, of the time in which it owes an answer. */
interface Patience { readonly limitMs: number, readonly owes: () => boolean }

function patienceFor ({ consensus }: AllStatusParts): Patience {
  return { limitMs: longestSilenceMs + consensus.pinset().count() / leastPinsPerSecond * 1_000, owes: () => true }
}

/** Gives a peer up that is silent and dead, or silent for too long, or without end. */
async function * watch<T> (parts: AllStatusParts, peer: PeerId, statuses: AsyncIterable<T[]>, given: AbortController, { limitMs, owes } = patienceFor(parts)): AsyncGenerator<T[]> {
  const most = mostOf(parts)
  const iterator = statuses[Symbol.asyncIterator]()
  let count = 0
  try {
    for (;;) {
      const { done, value } = await unlessSilent(parts, peer, iterator.next(), { limitMs, owes })
      if (done === true) return
      count += value.length
      if (count > most) throw new ClusterError('TOO_LARGE', `the peer lists more than ${most} statuses`)
      yield value
    }
  } catch (error) {
    given.abort(error)
    throw error
  }
}

async function unlessSilent<T> (parts: AllStatusParts, peer: PeerId, answer: Promise<T>, { limitMs, owes }: Patience): Promise<T> {
  const { clock } = parts.platform
  let owesSince = clock.monotonic()
  let cancel = (): void => {}
  const silent = new Promise<never>((_resolve, reject) => {
    const check = (): void => {
      if (!owes()) owesSince = clock.monotonic()
      if (parts.isAlive(peer) && clock.monotonic() - owesSince < limitMs) cancel = clock.after(checkMs, check)
      else reject(new ClusterError('TIMED_OUT', 'the peer has stopped answering'))
    }
    cancel = clock.after(checkMs, check)
  })
  try {
    return await Promise.race([answer, silent])
  } finally {
    cancel()
  }
}

function withPeer (peer: PeerId, error: unknown): ClusterError {
  const code = error instanceof ClusterError ? error.code : 'INTERNAL'
  return new ClusterError(code, `${peer}: ${errorText(error)}`, { cause: error })
}
