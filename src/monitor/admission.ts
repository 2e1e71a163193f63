import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Time } from '../domain/time.ts'
import type { KeptMetric, Placement, Rhythm } from './metric-window.ts'

/**
 * No metric counts for longer than this, in milliseconds: whoever dies with one that says "for
 * ever" would be a member for ever. The longest periods in use are some hours.
 */
const longestLifeMs = 24 * 3_600_000
const pingName = 'ping'
/** Longest name in characters: `tag:` and an operator's word. */
const maxNameLength = 256
/** The least lifetime assumed of a living peer whose clock is wrong. */
const assumedLifeMs = 30_000
/**
 * Peers send at half of a lifetime; so a metric that is to outlive this many of its own intervals
 * comes from a clock that runs ahead.
 */
const intervalsPerLife = 4
/**
 * A metric that ends so much earlier than the one before it does not come late, where messages have
 * no numbers: the sender's clock was set back. In milliseconds, and for rare metrics in intervals.
 */
const clockSetBack = { ms: 60_000, intervals: 4 }
/** A metric that counts for less than so many of its own intervals comes from a clock that is behind: it would expire before its successor is there. */
const leastIntervalsPerLife = 1.5
/**
 * A lifetime up to this is believed whatever the rhythm, in milliseconds: bursts of updates make short intervals.
 * More is not believed of pings whose rhythm is not known: a peer whose clock is an hour ahead and that
 * dies right after them would be alive for that hour, and its pins without a holder.
 */
const believedLifeMs = 120_000
/** An interval that was long once counts less with every arrival. */
const intervalDecay = 0.9

/** Why a metric is not taken. */
export type Refusal = 'signed by another peer' | 'without a name' | 'not valid' | 'older than the last one' | 'expired' | 'from the future' | 'too large' | 'unreadable' | 'no room'

/** What is known when a metric arrives. */
export interface Arrival {
  readonly metric: Metric
  /** Who signed the message. */
  readonly from: PeerId
  /** Of the message, where it has one. */
  readonly sequence: bigint | undefined
  readonly now: Time
  /** Of the monotonic clock. */
  readonly moment: number
  readonly kept: KeptMetric | undefined
  /** How long this peer's own metric of the name counts, in milliseconds, 0 without one: those of others in its cluster may count as long. */
  readonly ownLifeMs: number
  /** True when there is an open connection to the peer: it lives, whatever its clock says. */
  readonly isConnected: () => boolean
}

/** As what the metric is kept, and how. */
export interface Admitted extends Omit<Placement, 'now' | 'isPreferred'> { readonly metric: Metric }

/**
 * Decides on a metric that came over the network. A peer speaks for itself only: nobody else can
 * keep it alive or declare it dead, neither with new words nor by repeating its old ones
 * (peers of the reference publish nothing about others either, spec/wire.md 6.2).
 */
export function admit (arrival: Arrival): Admitted | Refusal {
  const { metric, from, sequence, now, moment, kept, ownLifeMs } = arrival
  if (metric.peer !== from) return 'signed by another peer'
  if (metric.name === '' || metric.name.length > maxNameLength) return 'without a name'
  if (!metric.valid) return 'not valid'
  const isRunning = kept !== undefined && kept.deadline >= moment
  const claimedMs = metric.expire - now
  if (isRunning && metric.expire < kept.signedExpire && !isLater(arrival, kept)) return asSignOfLife(arrival, kept) ?? 'older than the last one'
  const rhythm = rhythmWith(arrival)
  const isPossible = claimedMs > 0 && claimedMs <= longestLifeMs
  const lifeMs = Math.min(isPossible ? Math.max(claimedMs, lifeWhenShort(arrival)) : lifeWhenImpossible(arrival, rhythm), believableLife(metric.name, moment, rhythm, ownLifeMs))
  if (lifeMs <= 0) return claimedMs > 0 ? 'from the future' : 'expired'
  return { metric: isPossible && lifeMs <= claimedMs ? metric : { ...metric, expire: now + lifeMs }, signedExpire: metric.expire, sequence, lifeMs, rhythm, isDoubted: !isKnown(rhythm, moment) && (!isPossible || lifeMs < claimedMs) }
}

/**
 * What is kept of a peer that says something older than it has said, where that counts for longer: its
 * clock was set back while it was down. Undefined when it does not, or when somebody else may repeat it.
 */
function asSignOfLife ({ metric, now, moment, ownLifeMs, isConnected }: Arrival, kept: KeptMetric): Admitted | undefined {
  const lifeMs = Math.min(metric.expire - now, believableLife(metric.name, moment, kept, ownLifeMs))
  if (lifeMs <= kept.deadline - moment || !isConnected()) return undefined
  const { firstAt, interval, absence, signedExpire, sequence, isDoubted } = kept
  return { metric: { ...kept.metric, expire: now + lifeMs }, signedExpire, sequence, lifeMs, rhythm: { firstAt, interval, absence }, isDoubted }
}

/** What is known of the rhythm with this arrival. */
function rhythmWith ({ metric, kept, moment }: Arrival): Rhythm {
  if (kept === undefined) return { firstAt: moment, interval: 0, absence: 0 }
  const { firstAt, interval } = kept
  const pause = moment - kept.arrivedAt
  if (kept.deadline >= moment) return { firstAt, interval: Math.max(pause, interval * intervalDecay), absence: 0 }
  // Who was away once was dead, perhaps. Who is away each time speaks less often than was believed.
  const absence = Math.min(pause, periodOf(metric, kept))
  return { firstAt, interval: Math.max(interval, Math.min(absence, kept.absence)), absence }
}

/**
 * What is left of the life of a metric that comes after a kept one, in milliseconds: its end is as
 * much later as the sender says, counted by this peer's monotonic clock. So it does not matter by how
 * much the sender's clock is wrong, nor whether this peer's wall clock was set meanwhile. Old words
 * that somebody held back have run out by this reckoning too.
 */
function lifeAfter ({ metric, kept, moment }: Arrival): number {
  return kept === undefined || kept.signedExpire === -Infinity ? 0 : kept.deadline + (metric.expire - kept.signedExpire) - moment
}

/** The life of a metric that has expired when it comes, or says that it counts for days: one of both clocks is wrong. */
function lifeWhenImpossible (arrival: Arrival, rhythm: Rhythm): number {
  const byRhythm = rhythmOf(arrival, rhythm)
  // What was assumed of it at first is not to go on for ever.
  return byRhythm > 0 && isKnown(rhythm, arrival.moment) ? byRhythm : Math.max(lifeAfter(arrival), byRhythm)
}

/** What a peer that is connected has by the rhythm in which its metrics come: it lives, and another one will come. 0 for all others. */
function rhythmOf ({ metric, now, moment, ownLifeMs, isConnected }: Arrival, rhythm: Rhythm): number {
  if (metric.expire > now || !isConnected()) return 0
  // Pings that greet a connection come out of turn: a short pause says nothing.
  return isKnown(rhythm, moment) ? Math.max(assumedLifeMs, 2 * rhythm.interval) : Math.max(believedLifeMs, ownLifeMs)
}

/**
 * The life of a metric that would expire before its successor is there, as it seems: one of both
 * clocks is wrong by a part of a lifetime. 0 where it would not.
 */
function lifeWhenShort (arrival: Arrival): number {
  const { metric, now, kept, isConnected } = arrival
  if (kept === undefined) return 0
  // The shorter of both: a single long pause is none that the sender means to make.
  const pause = longestPause(metric, kept)
  const least = Math.min(pause, periodOf(metric, kept) || pause)
  if (metric.expire - now >= leastIntervalsPerLife * least) return 0
  return isConnected() ? 2 * least : Math.min(2 * least, lifeAfter(arrival))
}

/** Between two metrics of the kind, in milliseconds; 0 when that is not known. */
function longestPause (metric: Metric, kept: KeptMetric): number {
  return kept.interval || Math.min(periodOf(metric, kept), believedLifeMs / 2)
}

/** How much later than the last one the sender lets this one end, in milliseconds; 0 when that is not known. */
function periodOf ({ expire }: Metric, { signedExpire }: KeptMetric): number {
  return Number.isFinite(signedExpire) ? Math.max(0, expire - signedExpire) : 0
}

/** The sender has said it later than the last one though it ends earlier: its clock was set back in between. */
function isLater ({ metric: { expire }, sequence, isConnected }: Arrival, kept: KeptMetric): boolean {
  // Numbers grow with each message of a process: old words that are sent again have a smaller one.
  if (sequence !== undefined && kept.sequence !== undefined && sequence > kept.sequence) return true
  return isConnected() && kept.signedExpire - expire > Math.max(clockSetBack.ms, clockSetBack.intervals * kept.interval)
}

function believableLife (name: string, moment: number, rhythm: Rhythm, ownLifeMs: number): number {
  if (name !== pingName && !isKnown(rhythm, moment)) return longestLifeMs
  return Math.min(longestLifeMs, Math.max(believedLifeMs, ownLifeMs, intervalsPerLife * rhythm.interval))
}

/** Who joins greets all others at once: only then come pauses as long as they are. */
function isKnown ({ firstAt }: Rhythm, moment: number): boolean { return moment - firstAt >= believedLifeMs }
