import type { Cid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { sleep } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { PeerCalls } from '../../rpc/peer-calls.ts'
import { within } from '../../platform/deadline.ts'
import type { RepairNotes } from './repair-notes.ts'
import { repairRound, type RoundParts, type RoundResult } from './round.ts'

/** A peer that lives answers within this time, in milliseconds. */
const answerMs = 4_000
/** Others tell within this time, in milliseconds, whether they reach a peer: they ask it in their turn. */
const othersAnswerMs = 20_000
/** So many others are asked whom they hear: one may be on this peer's side of a cut. */
const othersAsked = 3
/**
 * That others still hear a peer which nobody reaches counts for so long after its last sign of life,
 * in milliseconds: what was said with a clock that runs ahead is heard for hours after a death.
 */
export const hearsayMs = 2 * 60_000
/** How often the peer is asked again while its pins are moved, in milliseconds: a round over a million pins takes hours. */
const askAgainMs = 30_000
/** Rounds of many peers do not begin at the same moment, in milliseconds. */
const jitterMs = 2_000
/** A responsible peer whose work has not become less after this time (and that for which changes are held) leaves it to the next, in milliseconds. */
const fallbackMs = 60_000
/** How often pins for which there was no holder are tried again, at first and in the end, in milliseconds. */
const retryMs = { first: 60_000, longest: 10 * 60_000 }
/** How often a peer that stays away is looked at again when nothing was left to do, in milliseconds. */
const recheckMs = { first: 10 * 60_000, longest: 2 * 3_600_000 }
/** Least time between two notes of how far a round is, in milliseconds. */
const noteMs = 5_000
/** How often it is told how far a round is, in milliseconds: one over a million pins takes hours. */
const tellMs = 10 * 60_000

export interface PeerRepairParts extends RoundParts {
  readonly calls: Pick<PeerCalls, 'id' | 'members'>
  readonly notes: RepairNotes
  readonly changesHeldMs: number
  /** How long the peer must be silent until the moves of another one are to be seen, in milliseconds, as that one says; 0 where it says nothing. */
  readonly repinDelayOf: (owner: PeerId) => number
  /** When the peer gave its last sign of life that this peer knows of, by the monotonic clock. */
  readonly lastSignAt: () => number
  /** Called when the peer gives one. */
  readonly onSign: () => void
  /** Called once, when it is certain that the peer is gone. */
  readonly onConfirmed: () => void
}

/** Looks after the pins of one peer that is gone, for as long as it is. */
export class PeerRepair {
  readonly #parts: PeerRepairParts
  readonly #peer: PeerId
  readonly #logger: Logger
  /** Responsible peers that did nothing while this one is gone. */
  readonly #idle = new Set<PeerId>()
  #previous: RoundResult | undefined
  #notedAt = -Infinity
  /** Pins that the round has moved so far, and when that was told last. */
  #moved = 0
  #toldMovedAt = 0
  /** Rounds after which nothing was left that could be done. */
  #fruitless = 0
  #isHopeless = false
  #nap: AbortController | undefined
  #toldShort = 0
  /** Pins of the peer that have fewer holders than they should. */
  short = 0
  /** It has nothing to do for a while. */
  isResting = false

  constructor (peer: PeerId, parts: PeerRepairParts) {
    this.#peer = peer
    this.#parts = {
      ...parts,
      onMoved: () => {
        this.#moved++
        parts.onMoved()
      },
    }
    this.#logger = parts.platform.loggers.component('cluster')
  }

  /**
   * Works until the signal is aborted, or there is nothing to repair.
   * @param after where an earlier run of this peer stopped
   * @returns why there is nothing to repair
   */
  async run (after: Cid | undefined, signal: AbortSignal): Promise<'lives' | 'holds nothing'> {
    const { platform: { clock, random }, notes, onConfirmed } = this.#parts
    if (!await this.#holdsPins(signal)) return 'holds nothing'
    if (await this.#lives(signal)) return 'lives'
    onConfirmed()
    await notes.save(this.#peer, after)
    this.#logger.info({ peer: this.#peer }, `peer ${this.#peer} is gone: ${this.#parts.mayMove ? 'pins that lack holders without it get others' : 'repinning is disabled, its pins stay where they are'}`)
    let from = after
    for (let round = 0, waitMs = 0; ; round++) {
      await this.#rest(waitMs, signal)
      await sleep(clock, random.integer(jitterMs), signal)
      if (round > 0 && !await this.#holdsPins(signal)) return 'holds nothing'
      if (round > 0 && await this.#lives(signal)) return 'lives'
      const result = await this.#round(from, signal)
      if (result === 'lives') return 'lives'
      await notes.save(this.#peer, undefined)
      waitMs = this.#afterRound(result, from !== undefined, round)
      from = undefined
    }
  }

  /**
   * Ends early when the peer answers again. That it is back is not always heard: the metrics of one
   * that came back with its clock set back count as old for those that are not connected to it.
   */
  async #round (after: Cid | undefined, signal: AbortSignal): Promise<RoundResult | 'lives'> {
    const over = new AbortController()
    const limited = AbortSignal.any([signal, over.signal])
    let isBack = false
    const watch = async (): Promise<void> => {
      while (!isBack) {
        await sleep(this.#parts.platform.clock, askAgainMs, limited)
        isBack = await this.#lives(limited)
      }
      over.abort()
    }
    const watching = watch().catch(() => {})
    this.#moved = 0
    this.#toldMovedAt = this.#parts.platform.clock.monotonic()
    try {
      return await repairRound(this.#parts, { peer: this.#peer, after, idle: this.#idle, signal: limited, onStep: (cid, short) => { this.#note(cid, short) } })
    } catch (error) {
      if (this.#moved > 0) this.#tellMoved('until its round ended early')
      if (isBack) return 'lives'
      throw error
    } finally {
      over.abort()
      await watching
    }
  }

  /** Somebody new is there: pins for which there was nobody are tried again. */
  retry (): void {
    if (!this.#isHopeless) return
    this.#fruitless = 0
    this.#idle.clear()
    this.#previous = undefined
    this.#nap?.abort()
  }

  /** Draws the conclusions; answers how long to wait for the next round. */
  #afterRound (result: RoundResult, isPart: boolean, round: number): number {
    const { short, hopeless, ofOthers } = result
    this.short = short
    this.#isHopeless = hopeless > 0
    const moved = this.#moved
    if (moved > 0) this.#logger.info({ peer: this.#peer, moved, short }, `repinned out of ${this.#peer}: ${moved} pins`)
    // Right after a death the others have not come to theirs yet.
    const isToStay = hopeless > 0 || round > 0 || !this.#parts.mayMove
    if (short > 0 && short !== this.#toldShort && isToStay) this.#logger.warn({ peer: this.#peer, short }, `pins with fewer holders than their replication_factor_min since peer ${this.#peer} is gone: ${short}`)
    if (isToStay) this.#toldShort = short
    if (ofOthers.size === 0) return backOff(hopeless > 0 ? retryMs : recheckMs, this.#fruitless++)
    const nextMs = fallbackMs + this.#parts.changesHeldMs
    if (isPart) return nextMs
    const silentMs = this.#parts.platform.clock.monotonic() - this.#parts.lastSignAt()
    const dueInMs = (owner: PeerId): number => this.#parts.repinDelayOf(owner) + fallbackMs - silentMs
    const idle = [...ofOthers].filter(([owner, count]) => dueInMs(owner) <= 0 && count >= (this.#previous?.ofOthers.get(owner) ?? Infinity)).map(([owner]) => owner)
    if (idle.length === 0) {
      this.#previous = result
      return Math.max(nextMs, Math.min(recheckMs.first, ...[...ofOthers.keys()].map(dueInMs)))
    }
    for (const owner of idle) {
      this.#idle.add(owner)
      this.#logger.warn({ peer: owner }, `peer ${owner} does not repin what it is responsible for: the next one does`)
    }
    // What the next ones inherit is more than they had: it is not held against them.
    this.#previous = undefined
    return 0
  }

  async #rest (durationMs: number, signal: AbortSignal): Promise<void> {
    this.#nap = new AbortController()
    this.isResting = durationMs > 0
    await sleep(this.#parts.platform.clock, durationMs, AbortSignal.any([signal, this.#nap.signal])).catch(() => { signal.throwIfAborted() })
    this.isResting = false
    this.#nap = undefined
  }

  async #holdsPins (signal: AbortSignal): Promise<boolean> {
    for await (const cids of this.#parts.consensus.pinset().allocatedTo(this.#peer, { limit: 1, signal })) if (cids.length > 0) return true
    return false
  }

  /** The second and the third evidence: neither this peer nor others reach it, and others do not hear it either. */
  async #lives (signal: AbortSignal): Promise<boolean> {
    const { onSign, lastSignAt, platform: { clock } } = this.#parts
    const known = await this.#answers(signal) ? 'reached' : await this.#knownToOthers(signal)
    if (known === 'reached') onSign()
    return known === 'reached' || (known === 'heard' && clock.monotonic() - lastSignAt() < hearsayMs)
  }

  /** Whoever answers, be it with an error, lives, and only its metrics get lost. */
  async #answers (signal: AbortSignal): Promise<boolean> {
    const { calls, platform: { clock } } = this.#parts
    try {
      await within(clock, answerMs, { signal }, limited => calls.id(this.#peer, limited))
      return true
    } catch (error) {
      signal.throwIfAborted()
      const isSilent = !(error instanceof ClusterError) || ['PEER_UNREACHABLE', 'TIMED_OUT', 'CANCELLED'].includes(error.code)
      this.#logger.debug({ peer: this.#peer }, `asked whether it is there: ${errorText(error)}`)
      return !isSilent
    }
  }

  /**
   * Whom others reach lives, and whom they hear has not been away for long; this peer alone does not
   * know: for a cut between the two, or for a clock by which all that is said has expired, nobody is
   * to lose pins.
   */
  async #knownToOthers (signal: AbortSignal): Promise<'reached' | 'heard' | undefined> {
    const { self, consensus, calls, gone, platform: { clock, random } } = this.#parts
    const away = new Set([...gone(), this.#peer, self])
    const others = (await consensus.peers({ signal })).filter(member => consensus.isTrusted(member) && !away.has(member))
    const asked: PeerId[] = []
    while (others.length > 0 && asked.length < othersAsked) asked.push(...others.splice(random.integer(others.length), 1))
    const lists = await Promise.all(asked.map(async other => {
      const information = await unlessSilent(signal, within(clock, answerMs, { signal }, limited => calls.id(other, limited)))
      return information?.clusterPeers ?? []
    }))
    // Who does not list it does not ask it either; and whoever asks its members calls each of them.
    const hearing = asked.filter((_, i) => lists[i]?.includes(this.#peer) === true)
    for (const other of hearing) {
      const members = await unlessSilent(signal, within(clock, othersAnswerMs, { signal }, limited => calls.members(other, limited)))
      if (members?.some(({ id, error }) => id === this.#peer && error === '') === true) return 'reached'
    }
    // Where there is a list of members peers tell who is on it, not whom they hear.
    return hearing.length > 0 && consensus.kind === 'crdt' ? 'heard' : undefined
  }

  #note (after: Cid, short: number): void {
    const { notes, platform: { clock } } = this.#parts
    // A round over millions of pins takes hours: those that were found are told meanwhile.
    this.short = Math.max(this.short, short)
    const now = clock.monotonic()
    if (now - this.#toldMovedAt >= tellMs) {
      this.#toldMovedAt = now
      this.#tellMoved('so far')
    }
    if (now - this.#notedAt < noteMs) return
    this.#notedAt = now
    // A note that gets lost only makes the next start look at more pins.
    notes.save(this.#peer, after).catch(() => {})
  }

  #tellMoved (when: string): void {
    this.#logger.info({ peer: this.#peer, moved: this.#moved }, `repinned out of ${this.#peer} ${when}: ${this.#moved} pins`)
  }
}

/** Undefined when there is no answer. */
async function unlessSilent<T> (signal: AbortSignal, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

function backOff ({ first, longest }: { readonly first: number, readonly longest: number }, before: number): number {
  return Math.min(longest, first * 2 ** Math.min(before, 20))
}
