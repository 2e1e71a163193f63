import type { Consensus } from '../../consensus/consensus.ts'
import type { Cid } from '../../domain/cid.ts'
import { errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { PeerMonitor } from '../../monitor/monitor.ts'
import { sleep } from '../../platform/clock.ts'
import type { CallOptions, Platform } from '../../platform/lifecycle.ts'
import type { Counter } from '../../platform/metrics.ts'
import type { Store } from '../../platform/store.ts'
import type { PeerCalls } from '../../rpc/peer-calls.ts'
import type { Pinning } from '../pin.ts'
import { readRepinDelay } from '../ping.ts'
import { judge, usualGraceMs, type UnheardHolder } from './deaths.ts'
import { RepairNotes } from './repair-notes.ts'
import { Pace } from './pace.ts'
import { hearsayMs, PeerRepair } from './peer-repair.ts'
import { Shortage } from './shortage.ts'
import { vacatePeer } from './vacate.ts'
import { Responsibility } from './responsibility.ts'

/**
 * Pins that this peer moves in a second, and at once after a rest: a blip that outlasts every
 * grace moves few before its end, and 24 peers still repair a million pins within a quarter of an hour.
 */
const movePace = { perSecond: 50, burst: 50 }
/** How often the peers are looked at when nothing is due, in milliseconds. */
const lookMs = 5_000
/** Whoever wakes so much later than it wanted has stood still, in milliseconds. */
const stoodStillMs = 5_000
/** Not more often than this. */
const leastLookMs = 100
/** Peers that are asked and repaired at the same time; those that wait to be looked at again do not count. */
const maxRepairs = 64
/** How often the index is asked who holds pins, in milliseconds; the answer is bounded. */
const holdersMs = 10 * 60_000
const maxHolders = 1_000
/** That a peer lives which is not heard is told again after so long, in milliseconds: it may be so for days. */
const tellAgainMs = 3_600_000
/** When to look again at a peer that is silent but lives, holds nothing, or could not be repaired, in milliseconds. */
const againMs = { 'lives': 30_000, 'holds nothing': 60_000, 'failed': 60_000 }

export interface RepairParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly pinning: Pick<Pinning, 'factors' | 'allocate'>
  readonly monitor: PeerMonitor
  readonly calls: Pick<PeerCalls, 'id' | 'members'>
  readonly settings: RepairSettings
  /** Where it is kept how far repairs are; without it a restart looks at all pins of a peer again. */
  readonly store?: Store | undefined
  readonly platform: Platform
}

export interface RepairSettings {
  /** Only counts what is short of holders. */
  readonly disableRepinning: boolean
  /** Does nothing at all. */
  readonly followerMode: boolean
  /** How long a peer must be silent, in milliseconds; what is usual when absent. */
  readonly repinGracePeriodMs?: number | undefined
  /** How long other peers may keep their changes to themselves, in milliseconds: they are not idle meanwhile. */
  readonly changesHeldMs?: number | undefined
  /** The metric that tells that a peer lives. */
  readonly livenessMetric?: string | undefined
}

/**
 * Gives the pins of peers that are gone to others (spec/components.md 1.8): where fewer than the
 * minimum of holders is left, by the one peer that is responsible, at a bounded pace, as long as the
 * peer is away. It goes by how long peers have been silent, not by single alerts: so nothing is
 * missed over a restart, and all peers that see the same come to the same end.
 */
export class RepairLoop {
  readonly #parts: RepairParts
  readonly #notes: RepairNotes
  readonly #pace: Pace
  readonly #moved: Counter
  readonly #repairs = new Map<PeerId, { readonly repair: PeerRepair, readonly stop: AbortController, isConfirmed: boolean, readonly ended: Promise<void> }>()
  /** When a peer is looked at again that was not repaired, by the monotonic clock. */
  readonly #postponed = new Map<PeerId, number>()
  /** When it was told of peers that are not heard here that they live, by the monotonic clock. */
  readonly #toldAlive = new Map<PeerId, number>()
  /** Last signs of life of peers that are not heard, as long as they matter, by the monotonic clock. */
  readonly #signs = new Map<PeerId, number>()
  /** Holders that were not heard since the start, and since when that is known. */
  readonly #unheard = new Map<PeerId, { readonly since: number, readonly wasGone: boolean }>()
  #cursors = new Map<PeerId, Cid | undefined>()
  #holders: ReadonlySet<PeerId> = new Set()
  #holdersAt = -Infinity
  #wasAlone = false
  /** Since when this process has run without standing still, by the monotonic clock: what was said before it may have missed. */
  #awakeSince = -Infinity
  #present = new Set<PeerId>()

  constructor (parts: RepairParts) {
    const { clock, metrics } = parts.platform
    this.#parts = parts
    this.#notes = new RepairNotes(parts.store)
    this.#pace = new Pace(clock, movePace)
    this.#moved = metrics.counter('ipfscluster_pins_repinned', 'Pins that this peer gave other holders because one was gone')
    metrics.gauge('ipfscluster_pins_degraded', 'Pins with fewer living holders than their replication_factor_min', () => this.degraded())
  }

  /** How long another peer must be silent until all are to see what this one has moved, in milliseconds; 0 for what is usual, and where it moves nothing. */
  get delayMs (): number {
    const { disableRepinning, followerMode, repinGracePeriodMs = usualGraceMs, changesHeldMs = 0 } = this.#parts.settings
    const delayMs = repinGracePeriodMs + changesHeldMs
    return disableRepinning || followerMode || delayMs <= usualGraceMs ? 0 : delayMs
  }

  /** Pins that have fewer holders than they should, as far as peers that are gone have been looked at. */
  degraded (): number { return [...this.#repairs.values()].reduce((sum, { repair }) => sum + repair.short, 0) }

  /** Watches and repairs; ends with the signal. */
  async run (signal: AbortSignal): Promise<void> {
    const { settings, platform: { clock, loggers } } = this.#parts
    if (settings.followerMode) return
    const logger = loggers.component('cluster')
    this.#cursors = await this.#notes.load().catch(() => new Map())
    for (const peer of this.#cursors.keys()) this.#unheard.set(peer, { since: clock.monotonic(), wasGone: true })
    while (!signal.aborted) {
      let waitMs = lookMs
      try {
        waitMs = await this.#look(signal)
      } catch (error) {
        if (!signal.aborted) logger.error(`peers could not be checked for repair: ${errorText(error)}`)
      }
      const dueAt = clock.monotonic() + waitMs
      await sleep(clock, waitMs, signal).catch(() => {})
      if (clock.monotonic() - dueAt > stoodStillMs) this.#awakeSince = clock.monotonic()
    }
    await Promise.all([...this.#repairs.values()].map(({ ended }) => ended))
  }

  /**
   * Gives the pins of a peer that is being removed to others, where they would have too few holders
   * without it, whoever is responsible. Resolves when all of it is durable.
   */
  async vacate (peer: PeerId, options: CallOptions = {}): Promise<void> {
    const { self, monitor, settings, platform: { loggers } } = this.#parts
    if (settings.disableRepinning || settings.followerMode) {
      loggers.component('cluster').warn({ peer }, `repinning is disabled. Will not re-allocate cids from ${peer}`)
      return
    }
    const isHeard = (holder: PeerId): boolean => holder === self || monitor.hears(livenessOf(settings), holder)
    await vacatePeer({ ...this.#parts, isHeard, onMoved: () => { this.#moved.add(1) } }, peer, () => this.#gone(), options)
  }

  #gone (): PeerId[] { return [...this.#repairs].filter(([, { isConfirmed }]) => isConfirmed).map(([peer]) => peer) }

  /** Starts what is due and stops what is no longer; answers when to look again, in milliseconds. */
  async #look (signal: AbortSignal): Promise<number> {
    const { self, monitor, settings, platform: { clock } } = this.#parts
    await this.#askHolders()
    const heard = monitor.presences(livenessOf(settings)).filter(({ peer }) => peer !== self)
    for (const { peer, expiredMs } of heard) {
      this.#unheard.delete(peer)
      if (expiredMs > 0) continue
      this.#postponed.delete(peer)
      this.#toldAlive.delete(peer)
      this.#forget(peer)
    }
    this.#greet(new Set(heard.filter(({ expiredMs }) => expiredMs === 0).map(({ peer }) => peer)))
    const now = clock.monotonic()
    const awakeMs = now - this.#awakeSince
    const unheard: UnheardHolder[] = [...this.#unheard].map(([peer, { since, wasGone }]) => ({ peer, missedMs: Math.min(now - since, awakeMs), wasGone }))
    const silences = heard.map(presence => ({ ...presence, silentMs: Math.min(presence.silentMs, awakeMs) }))
    const { gone, nextMs, isAlone } = judge({ heard: silences, unheard }, settings.repinGracePeriodMs)
    for (const [peer, at] of this.#signs) if (now - at > hearsayMs) this.#signs.delete(peer)
    for (const [peer, at] of this.#postponed) if (at <= now) this.#postponed.delete(peer)
    this.#tellAlone(isAlone)
    for (const [peer, { stop }] of this.#repairs) if (isAlone || (!gone.includes(peer) && heard.some(presence => presence.peer === peer))) stop.abort()
    // Known holders first: strangers that come and go by the thousand must not hold them up.
    let free = maxRepairs - [...this.#repairs.values()].filter(({ repair }) => !repair.isResting).length
    for (const peer of gone.toSorted((a, b) => Number(this.#holders.has(b)) - Number(this.#holders.has(a)))) {
      if (this.#repairs.has(peer) || free <= 0 || this.#postponed.has(peer)) continue
      const { silentMs = Infinity } = silences.find(presence => presence.peer === peer) ?? {}
      this.#start(peer, now - silentMs, signal)
      free--
    }
    return Math.min(lookMs, Math.max(leastLookMs, nextMs))
  }

  #start (peer: PeerId, heardAt: number, signal: AbortSignal): void {
    const { monitor, settings, platform: { clock, loggers } } = this.#parts
    const logger = loggers.component('cluster')
    const isGone = (holder: PeerId): boolean => this.#repairs.get(holder)?.isConfirmed === true
    const repair = new PeerRepair(peer, {
      ...this.#parts,
      notes: this.#notes,
      pace: this.#pace,
      responsibility: new Responsibility(this.#parts.self),
      shortage: new Shortage(this.#parts.pinning, isGone),
      gone: () => this.#gone(),
      isBack: holder => monitor.hears(livenessOf(settings), holder),
      mayMove: !settings.disableRepinning,
      lastSignAt: () => Math.max(heardAt, this.#signs.get(peer) ?? -Infinity),
      onSign: () => { this.#signs.set(peer, clock.monotonic()) },
      changesHeldMs: settings.changesHeldMs ?? 0,
      repinDelayOf: owner => readRepinDelay(monitor.latestFor('ping', owner)),
      onConfirmed: () => {
        const entry = this.#repairs.get(peer)
        if (entry !== undefined) entry.isConfirmed = true
        this.#toldAlive.delete(peer)
        this.#cursors.set(peer, undefined)
      },
      onMoved: () => { this.#moved.add(1) },
    })
    const stop = new AbortController()
    const work = async (): Promise<void> => {
      let outcome: keyof typeof againMs = 'failed'
      try {
        outcome = await repair.run(this.#cursors.get(peer), AbortSignal.any([signal, stop.signal]))
        if (outcome === 'lives') this.#tellAlive(peer)
      } catch (error) {
        if (stop.signal.aborted || monitor.hears(livenessOf(settings), peer)) logger.info({ peer }, `peer ${peer} is no longer taken for gone: its pins are left alone`)
        else if (!signal.aborted) logger.error({ peer }, `the pins of peer ${peer} could not be repaired and are tried again: ${errorText(error)}`)
      }
      this.#repairs.delete(peer)
      if (!stop.signal.aborted) this.#postponed.set(peer, clock.monotonic() + againMs[outcome])
    }
    // Entered before the work begins: what the work finds out is noted in the entry.
    const ended = Promise.resolve().then(work)
    this.#repairs.set(peer, { repair, stop, isConfirmed: false, ended })
  }

  /** Finds holders that were never heard: they died before this peer started. */
  async #askHolders (): Promise<void> {
    const { self, consensus, monitor, settings, platform: { clock } } = this.#parts
    const now = clock.monotonic()
    if (now - this.#holdersAt < holdersMs) return
    this.#holdersAt = now
    const heard = new Set(monitor.presences(livenessOf(settings)).map(({ peer }) => peer))
    const holders = this.#holders = new Set(await consensus.pinset().holders?.(maxHolders))
    for (const peer of this.#unheard.keys()) if (!holders.has(peer)) this.#unheard.delete(peer)
    // Those of whom nothing is left to move may have come back when this peer starts the next time.
    if (holders.size < maxHolders) for (const peer of this.#cursors.keys()) if (!holders.has(peer) && !this.#repairs.has(peer)) this.#forget(peer)
    for (const peer of holders) {
      if (peer !== self && !heard.has(peer) && !this.#repairs.has(peer) && !this.#unheard.has(peer)) this.#unheard.set(peer, { since: now, wasGone: false })
    }
  }

  /** The next start is not to take the peer for one that was gone. */
  #forget (peer: PeerId): void {
    if (this.#cursors.delete(peer)) this.#notes.remove(peer).catch(() => {})
  }

  /** Newcomers may hold what nobody could. */
  #greet (present: Set<PeerId>): void {
    if (!present.isSubsetOf(this.#present)) for (const { repair } of this.#repairs.values()) repair.retry()
    this.#present = present
  }

  #tellAlive (peer: PeerId): void {
    const { clock, loggers } = this.#parts.platform
    const now = clock.monotonic()
    for (const [told, at] of this.#toldAlive) if (now - at >= tellAgainMs) this.#toldAlive.delete(told)
    if (this.#toldAlive.has(peer)) return
    this.#toldAlive.set(peer, now)
    loggers.component('cluster').info({ peer }, `peer ${peer} is not heard here but lives: its pins stay where they are`)
  }

  #tellAlone (isAlone: boolean): void {
    if (isAlone && !this.#wasAlone) this.#parts.platform.loggers.component('cluster').warn('no other peer is heard: this one seems to be cut off, so it repairs nothing')
    this.#wasAlone = isAlone
  }
}

function livenessOf ({ livenessMetric }: RepairSettings): string { return livenessMetric ?? 'ping' }
