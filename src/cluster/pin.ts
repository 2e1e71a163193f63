import { chooseAllocations } from '../allocator/choose.ts'
import type { Allocator, MetricsByName } from '../allocator/allocator.ts'
import type { Consensus } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { isPinnedEverywhere, pinWithOptions, type Pin, type PinOptions } from '../domain/pin.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Clock } from '../platform/clock.ts'
import type { Loggers } from '../platform/logger.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import { isSilent, mayHold, tellWhoIsMissing } from './candidates.ts'

/** What pinning needs of the rest of the cluster. */
export interface PinningParts {
  readonly consensus: Consensus
  readonly allocator: Allocator
  readonly monitor: PeerMonitor
  readonly clock: Clock
  readonly loggers: Loggers
  readonly options: PinningOptions
}

export interface PinningOptions {
  readonly replicationFactorMin: number
  readonly replicationFactorMax: number
  readonly followerMode: boolean
  readonly pinOnlyOnTrustedPeers: boolean
  readonly pinOnlyOnUntrustedPeers: boolean
}

const nobody: ReadonlySet<PeerId> = new Set()

/** Adds to the pinset and to who holds it (spec/components.md 1.3 to 1.6). */
export class Pinning {
  readonly #parts: PinningParts
  #metricsKnown: Promise<void> | undefined

  constructor (parts: PinningParts) { this.#parts = parts }

  /**
   * Lets pins that must be allocated wait for `metricsKnown`, which never fails and is bounded:
   * a peer that has just started has not been told yet what it holds itself.
   */
  allocateAfter (metricsKnown: Promise<void>): void {
    this.#metricsKnown = metricsKnown
    void metricsKnown.then(() => { this.#metricsKnown = undefined })
  }

  /** Pins `cid`; the answer is what stands in the pinset, with the user's allocations. */
  async pin (cid: Cid, options: PinOptions, callOptions: CallOptions = {}): Promise<Pin> {
    this.refuseInFollowerMode()
    if (options.pinUpdate !== undefined && options.pinUpdate !== cid) return this.#update(options.pinUpdate, cid, options, callOptions)
    if (this.#metricsKnown !== undefined && this.factors(options).replicationFactorMax !== -1) await this.#metricsKnown
    const existing = await this.#parts.consensus.pinset().get(cid)
    return this.log(pinWithOptions(cid, options, this.#parts.clock.now()), existing, nobody, callOptions)
  }

  /** Pins a DAG whose blocks are with `allocations` already (everywhere when there are none). */
  async pinAllocated (cid: Cid, options: PinOptions, allocations: readonly PeerId[], callOptions: CallOptions = {}): Promise<Pin> {
    return this.submit({ ...pinWithOptions(cid, { ...options, mode: 'recursive', pinUpdate: undefined }, this.#parts.clock.now()), allocations }, callOptions)
  }

  /** Logs a pin that has its allocations, of any type, as it is but for default factors and time. */
  async submit (pin: Pin, callOptions: CallOptions = {}): Promise<Pin> {
    this.refuseInFollowerMode()
    const existing = await this.#parts.consensus.pinset().get(pin.cid)
    return this.log({ ...pin, timestamp: this.#parts.clock.now() }, existing, nobody, callOptions)
  }

  /** Completes a pin (factors, allocations), checks it against the existing one and logs it. */
  async log (wanted: Pin, existing: Pin | undefined, excluded: ReadonlySet<PeerId>, callOptions: CallOptions): Promise<Pin> {
    const factors = this.factors(wanted)
    let pin: Pin = { ...wanted, ...factors }
    if (isPinnedEverywhere(pin)) pin = { ...pin, allocations: [] }
    this.#checkExpiry(pin)
    if (existing !== undefined) checkAgainst(pin, existing)
    if (pin.type !== 'meta-pin' && !isPinnedEverywhere(pin) && (pin.allocations ?? []).length === 0) {
      pin = { ...pin, allocations: this.#allocateOrTell(pin, existing?.allocations ?? [], excluded, pin.cid) }
    }
    await this.#parts.consensus.logPin(pin, callOptions)
    return pin
  }

  /**
   * Peers for new blocks before their pin exists; every peer with a valid ping when the pin is
   * to be everywhere.
   */
  async allocateBlocks (options: PinOptions): Promise<PeerId[]> {
    this.refuseInFollowerMode()
    if (this.#metricsKnown !== undefined) await this.#metricsKnown
    const factors = this.factors(options)
    this.#checkExpiry(options)
    if (factors.replicationFactorMin < 0) return this.#parts.monitor.latest('ping').map(metric => metric.peer)
    return this.#allocateOrTell({ ...options, ...factors }, [], nobody)
  }

  /** Configured factors where none are given, checked (spec/config.md 6). */
  factors (options: PinOptions): Pick<PinOptions, 'replicationFactorMin' | 'replicationFactorMax'> {
    const replicationFactorMin = options.replicationFactorMin || this.#parts.options.replicationFactorMin
    const replicationFactorMax = options.replicationFactorMax || this.#parts.options.replicationFactorMax
    checkFactors(replicationFactorMin, replicationFactorMax)
    return { replicationFactorMin, replicationFactorMax }
  }

  allocate (options: PinOptions, current: readonly PeerId[], excluded: ReadonlySet<PeerId>): PeerId[] {
    const { allocator, monitor } = this.#parts
    const metrics: MetricsByName = new Map(allocator.requiredMetrics.map(name => [name, monitor.latest(name)]))
    return chooseAllocations(allocator, {
      replicationFactorMin: options.replicationFactorMin,
      replicationFactorMax: options.replicationFactorMax,
      current,
      priority: options.userAllocations ?? [],
      excluded,
      isEligible: peer => mayHold(this.#parts, peer) && !isSilent(this.#parts, peer),
      metrics,
    })
  }

  /** For whoever has asked for it; those who try for many pins tell in their own way. */
  #allocateOrTell (options: PinOptions, current: readonly PeerId[], excluded: ReadonlySet<PeerId>, cid?: Cid): PeerId[] {
    try {
      return this.allocate(options, current, excluded)
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'NOT_ENOUGH_PEERS') tellWhoIsMissing(this.#parts, error, cid)
      throw error
    }
  }

  refuseInFollowerMode (): void {
    if (this.#parts.options.followerMode) throw new ClusterError('FOLLOWER_MODE', 'this peer is configured to be in follower mode. Write operations are disabled')
  }

  /** The pin `from` under another CID; of the request only the name and a later expiry count. */
  async #update (from: Cid, to: Cid, options: PinOptions, callOptions: CallOptions): Promise<Pin> {
    const existing = await this.#parts.consensus.pinset().get(from)
    if (existing === undefined) throw notPinned()
    if (existing.type !== 'pin') throw new ClusterError('PIN_REFUSED', 'this pin type cannot be updated')
    const now = this.#parts.clock.now()
    const pin: Pin = {
      ...existing,
      cid: to,
      pinUpdate: from,
      timestamp: now,
      name: options.name === '' ? existing.name : options.name,
      expireAt: options.expireAt > now ? options.expireAt : existing.expireAt,
    }
    await this.#parts.consensus.logPin(pin, callOptions)
    return pin
  }

  #checkExpiry (pin: PinOptions): void {
    if (pin.expireAt !== 0 && pin.expireAt < this.#parts.clock.now()) throw new ClusterError('PIN_REFUSED', 'pin.ExpireAt set before current time')
  }
}

export function notPinned (): ClusterError {
  return new ClusterError('NOT_FOUND', 'pin is not part of the pinset')
}

function checkFactors (min: number, max: number): void {
  const refuse = (reason: string): never => { throw new ClusterError('PIN_REFUSED', `cluster.${reason}`) }
  if (min > max) refuse('replication_factor_min is larger than max')
  if (min < -1) refuse('replication_factor_min is wrong')
  if (max < -1) refuse('replication_factor_max is wrong')
  if ((min === -1) !== (max === -1)) refuse('replication_factor_min and max must be -1 when one of them is')
}

/** What may not be done to a pin that is there already. */
function checkAgainst (pin: Pin, existing: Pin): void {
  const refuse = (reason: string): never => { throw new ClusterError('PIN_REFUSED', reason) }
  if (existing.type !== pin.type) refuse(`cannot repin CID with different tracking method, clear state with pin rm to proceed. New: ${pin.type}. Was: ${existing.type}`)
  if (existing.mode === 'recursive' && pin.mode !== 'recursive') refuse('cannot repin a CID which is already pinned in recursive mode (new pin is pinned as direct). Unpin it first.')
  switch (pin.type) {
    case 'pin':
      if (pin.reference !== undefined) refuse('data pins should not reference other pins')
      break
    case 'shard-pin':
      // A shard of very many blocks has a level between.
      if (pin.maxDepth !== 1 && pin.maxDepth !== 2) refuse('must pin shards go depth 1')
      break
    case 'clusterdag-pin':
      if (pin.maxDepth !== 0) refuse('must pin roots directly')
      if (pin.reference === undefined) refuse('clusterDAG pins should reference a Meta pin')
      break
    case 'meta-pin':
      if ((pin.allocations ?? []).length > 0) refuse('meta pin should not specify allocations')
      if (pin.reference === undefined) refuse('metaPins should reference a ClusterDAG')
      break
    default: refuse('unrecognized pin type')
  }
}
