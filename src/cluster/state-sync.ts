import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { errorText } from '../domain/errors.ts'
import { isExpiredAt } from '../domain/pin.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import type { Responsibility } from './responsibility.ts'

export interface UpkeepParts {
  readonly consensus: Consensus
  readonly tracker: PinTracker
  readonly responsibility: Responsibility
  readonly platform: Platform
  readonly unpin: (cid: Cid) => Promise<unknown>
}

/** Removes pins that expired, those for which this peer is responsible, once an interval (spec/components.md 1.7). */
export async function expireLoop (parts: UpkeepParts, intervalMs: number, signal: AbortSignal): Promise<void> {
  const { platform } = parts
  while (!signal.aborted) {
    await sleep(platform.clock, intervalMs, signal).catch(() => {})
    if (signal.aborted) return
    await removeExpired(parts, signal).catch((error: unknown) => {
      if (!signal.aborted) platform.loggers.component('cluster').error(`expired pins could not be removed: ${errorText(error)}`)
    })
  }
}

/** One pass over the pinset, as a stream. */
export async function removeExpired (parts: UpkeepParts, signal: AbortSignal): Promise<void> {
  const { consensus, responsibility, platform } = parts
  const now = platform.clock.now()
  const trusted = (await consensus.peers({ signal })).filter(peer => consensus.isTrusted(peer))
  for await (const pins of consensus.pinset().list({ signal })) {
    for (const pin of pins) {
      if (!isExpiredAt(pin, now) || !responsibility.isMine(pin.cid, trusted)) continue
      platform.loggers.component('cluster').info({ cid: pin.cid }, 'unpinning: the pin has expired')
      await parts.unpin(pin.cid)
    }
  }
}

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
    for await (const _ of tracker.recoverAll({ signal })) recovered++
    if (recovered > 0) logger.info({ recovered }, 'pins that had failed or gone missing were queued again')
  } catch (error) {
    if (!signal.aborted) logger.warn(`not all pins could be checked: ${errorText(error)}`)
  }
}
