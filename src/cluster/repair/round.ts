import type { Consensus } from '../../consensus/consensus.ts'
import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Pin } from '../../domain/pin.ts'
import type { Time } from '../../domain/time.ts'
import { sleep } from '../../platform/clock.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Pace } from './pace.ts'
import type { Shortage } from './shortage.ts'
import type { Responsibility } from './responsibility.ts'

/** Pins looked at between two turns of the event loop. */
const pinsPerStep = 500
/** A rest after each step, in milliseconds: looking at a million pins is to be felt by nobody. */
const restMs = 20

export interface RoundParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly responsibility: Responsibility
  readonly shortage: Shortage
  readonly pace: Pace
  readonly platform: Platform
  /** Peers whose holdings do not count now, the one of the round included. */
  readonly gone: () => readonly PeerId[]
  /** True when the peer is heard again, which ends the round. */
  readonly isBack: (peer: PeerId) => boolean
  /** False: only count. */
  readonly mayMove: boolean
  /** Called with each pin that this peer has given other holders: a round may take hours, and end early. */
  readonly onMoved: () => void
}

export interface RoundOptions {
  /** Whose pins. */
  readonly peer: PeerId
  /** Where an earlier round stopped. */
  readonly after: Cid | undefined
  /** Responsible peers that have been seen to do nothing: the next nearest acts for them. */
  readonly idle: ReadonlySet<PeerId>
  /** Called with each step that is done, and the pins of this round that are below their minimum so far. */
  readonly onStep: (after: Cid, short: number) => void
  readonly signal: AbortSignal
}

export interface RoundResult {
  /** Pins that stay below their minimum; those with several gone holders are counted with one of them. */
  readonly short: number
  /** Pins for which there is no other holder. */
  readonly hopeless: number
  /** Pins that others have to move, by who is responsible. */
  readonly ofOthers: ReadonlyMap<PeerId, number>
}

/** Goes once through the pins of a peer that is gone and moves those for which this peer is responsible. */
export async function repairRound (parts: RoundParts, options: RoundOptions): Promise<RoundResult> {
  const { self, consensus, responsibility, shortage, pace, platform, mayMove } = parts
  const { peer, signal, idle, onStep } = options
  const result = { short: 0, hopeless: 0, ofOthers: new Map<PeerId, number>() }
  for await (const cids of steps(parts, options)) {
    const members = await responsible(parts, idle, signal)
    const pins = await consensus.pinset().getMany(cids)
    const hasHope = hopeOf(shortage, parts.gone(), platform.clock.now())
    for (const pin of pins) {
      signal.throwIfAborted()
      if (pin === undefined || !shortage.isShort(pin, platform.clock.now())) continue
      const counts = countedWith(pin.allocations ?? [], parts.gone()) === peer ? 1 : 0
      result.short += counts
      if (!mayMove) continue
      const owner = responsibility.nearest(pin.cid, members)
      if (owner !== self) {
        // Nobody is blamed for what cannot be done.
        if (hasHope(pin)) result.ofOthers.set(owner, (result.ofOthers.get(owner) ?? 0) + 1)
        else result.hopeless++
        continue
      }
      await pace.take(signal)
      if (parts.isBack(peer)) throw new ClusterError('CANCELLED', `peer ${peer} is back`)
      const outcome = await move(parts, pin.cid, signal)
      if (outcome === 'hopeless') result.hopeless++
      else result.short -= counts
      if (outcome === 'moved') parts.onMoved()
    }
    onStep(cids.at(-1) as Cid, result.short)
  }
  return result
}

/** Gives a pin other holders unless somebody else has done so meanwhile. */
async function move (parts: RoundParts, cid: Cid, signal: AbortSignal): Promise<'moved' | 'done' | 'hopeless'> {
  const { consensus, shortage, platform: { clock, loggers } } = parts
  const pin = await consensus.pinset().get(cid)
  signal.throwIfAborted()
  if (pin === undefined || !shortage.isShort(pin, clock.now())) return 'done'
  const logger = loggers.component('cluster')
  const filled = filledOrNot(shortage, pin, parts.gone(), clock.now())
  if (filled === undefined) return 'hopeless'
  await consensus.logMove(pin, filled, { signal })
  logger.debug({ cid, allocations: filled.allocations }, 'repinned')
  return 'moved'
}

/** Trusted members that are there and do their work. */
async function responsible ({ consensus, gone }: RoundParts, idle: ReadonlySet<PeerId>, signal: AbortSignal): Promise<PeerId[]> {
  const away = new Set(gone())
  return (await consensus.peers({ signal })).filter(member => consensus.isTrusted(member) && !away.has(member) && !idle.has(member))
}

/** The pins in steps, each read anew from the index: a round may take long and must hold nothing. */
async function * steps ({ consensus, platform }: RoundParts, { peer, after, signal }: RoundOptions): AsyncGenerator<Cid[]> {
  for (let last = after; ;) {
    const cids: Cid[] = []
    for await (const some of consensus.pinset().allocatedTo(peer, { ...(last !== undefined && { after: last }), limit: pinsPerStep, signal })) cids.push(...some)
    const next = cids.at(-1)
    if (next === undefined) return
    yield cids
    last = next
    await sleep(platform.clock, restMs, signal)
  }
}

/** The holder that was lost last: only the rounds of its pins know of all losses. */
function countedWith (allocations: readonly PeerId[], gone: readonly PeerId[]): PeerId | undefined {
  return gone.findLast(peer => allocations.includes(peer))
}

/** Tells of pins whether there is anybody for them; those with the same holders and factors are alike. */
function hopeOf (shortage: Shortage, gone: readonly PeerId[], now: Time): (pin: Pin) => boolean {
  const known = new Map<string, boolean>()
  return pin => {
    const key = `${pin.replicationFactorMin} ${pin.replicationFactorMax} ${pin.allocations?.join()}`
    let hasHope = known.get(key)
    if (hasHope === undefined) known.set(key, hasHope = filledOrNot(shortage, pin, gone, now) !== undefined)
    return hasHope
  }
}

function filledOrNot (shortage: Shortage, pin: Pin, gone: readonly PeerId[], now: Time): Pin | undefined {
  try {
    return shortage.filled(pin, gone, now)
  } catch (error) {
    if (error instanceof ClusterError) return undefined
    throw error
  }
}
