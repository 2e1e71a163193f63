import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { isDueAt, type Pin } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { StateStore } from '../state/state-store.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import type { Responsibility } from './repair/responsibility.ts'

/**
 * Time that a responsible peer has for an expired pin before the next nearest takes it, in
 * milliseconds: several rounds of looking.
 */
const leastFallbackMs = 15 * 60_000
/** A clock that has gone ahead of the monotonic one by more than this since the last look was set, in milliseconds. */
const jumpMs = 60_000

export interface UpkeepParts {
  readonly consensus: Consensus
  readonly tracker: PinTracker
  readonly responsibility: Responsibility
  readonly platform: Platform
  readonly unpin: (cid: Cid) => Promise<unknown>
}

/** What removing expired pins needs. */
export type ExpiryParts = Omit<UpkeepParts, 'tracker'>

/**
 * Removes pins that expired, once an interval: each by the one peer that is responsible for it
 * (spec/components.md 1.7), and where that one does not (it may be a follower) by the next nearest.
 */
export async function expireLoop (parts: ExpiryParts, intervalMs: number, signal: AbortSignal): Promise<void> {
  const { clock, loggers } = parts.platform
  const fallbackMs = Math.max(leastFallbackMs, 3 * intervalMs)
  const ahead = (): number => clock.now() - clock.monotonic()
  let watchedSince = clock.monotonic()
  let lastAhead = ahead()
  while (!signal.aborted) {
    await sleep(clock, intervalMs, signal).catch(() => {})
    if (signal.aborted) return
    // Counted from the start of this peer, or from when its clock was set ahead: what expired while a cluster was
    // down is not everybody's at once, nor is all that will ever expire that of one peer whose clock is wrong.
    if (ahead() - lastAhead > jumpMs) watchedSince = clock.monotonic()
    lastAhead = ahead()
    const watchedMs = clock.monotonic() - watchedSince
    await removeExpired(parts, overdueMs => Math.floor(Math.min(overdueMs, watchedMs) / fallbackMs), signal).catch((error: unknown) => {
      if (!signal.aborted) loggers.component('cluster').error(`expired pins could not be removed: ${errorText(error)}`)
    })
  }
}

/** @param ranksAfter how many nearer peers have had their time with a pin that expired so long ago */
async function removeExpired (parts: ExpiryParts, ranksAfter: (overdueMs: number) => number, signal: AbortSignal): Promise<void> {
  const { consensus, responsibility, platform } = parts
  const logger = platform.loggers.component('cluster')
  const now = platform.clock.now()
  const trusted = (await consensus.peers({ signal })).filter(peer => consensus.isTrusted(peer))
  for await (const pins of expiredPins(consensus.pinset(), now, signal)) {
    for (const { cid, expireAt } of pins) {
      signal.throwIfAborted()
      if (responsibility.rank(cid, trusted) > ranksAfter(now - expireAt)) continue
      // The unpins before it may have taken long: meanwhile somebody may have pinned it anew, or set a wrong clock right.
      if (!isDue(await consensus.pinset().get(cid), platform.clock.now())) continue
      logger.info({ cid }, 'unpinning: the pin has expired')
      await parts.unpin(cid).catch((error: unknown) => {
        // Somebody else was quicker.
        if (error instanceof ClusterError && error.code === 'NOT_FOUND') return
        signal.throwIfAborted()
        logger.warn({ cid }, `an expired pin could not be removed and is tried again: ${errorText(error)}`)
      })
    }
  }
}

async function * expiredPins (pinset: StateStore, now: Time, signal: AbortSignal): AsyncGenerator<Pin[]> {
  if (pinset.expired === undefined) {
    for await (const pins of pinset.list({ signal })) yield pins.filter(pin => isDue(pin, now))
    return
  }
  for await (const cids of pinset.expired(now, { signal })) yield (await pinset.getMany(cids)).filter(pin => isDue(pin, now)) as Pin[]
}

function isDue (pin: Pin | undefined, now: Time): boolean { return pin !== undefined && isDueAt(pin, now) }

/** Queues again what failed or went missing: at once, then once an interval. */
export async function recoverLoop (parts: UpkeepParts, intervalMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await recoverOnce(parts, signal)
    await sleep(parts.platform.clock, intervalMs, signal).catch(() => {})
  }
}

/** Queues again what failed or went missing on this peer. */
export async function recoverOnce ({ tracker, platform }: UpkeepParts, signal: AbortSignal): Promise<void> {
  const logger = platform.loggers.component('cluster')
  try {
    let recovered = 0
    for await (const _ of tracker.recoverAll({ signal, waitsForRoom: true })) recovered++
    if (recovered > 0) logger.info({ recovered }, 'pins that had failed or gone missing were queued again')
  } catch (error) {
    if (!signal.aborted) logger.warn(`not all pins could be checked: ${errorText(error)}`)
  }
}
