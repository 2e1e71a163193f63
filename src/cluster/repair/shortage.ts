import type { PeerId } from '../../domain/peer.ts'
import { isDueAt, type Pin } from '../../domain/pin.ts'
import type { Time } from '../../domain/time.ts'
import type { Pinning } from '../pin.ts'

/**
 * Which pins lack holders because some are gone, and who takes their place. While enough are left
 * nothing moves (spec/components.md 1.8). Holders that are there stay, also without valid metrics:
 * theirs may be the last copy.
 */
export class Shortage {
  readonly #pinning: Pick<Pinning, 'factors' | 'allocate'>
  readonly #isGone: (peer: PeerId) => boolean
  readonly #isSilent: (peer: PeerId) => boolean

  /** Holders for which `isSilent` keep their pins, but others are chosen beside them as far as there is room. */
  constructor (pinning: Pick<Pinning, 'factors' | 'allocate'>, isGone: (peer: PeerId) => boolean, isSilent: (peer: PeerId) => boolean = () => false) {
    this.#pinning = pinning
    this.#isGone = isGone
    this.#isSilent = isSilent
  }

  /** True when fewer holders are left than the pin's minimum. */
  isShort (pin: Pin, now: Time): boolean {
    const allocations = pin.allocations ?? []
    if (allocations.length === 0 || isDueAt(pin, now)) return false
    const left = allocations.filter(peer => !this.#isGone(peer) && !this.#isSilent(peer)).length
    return left < allocations.length && left < this.#factors(pin).replicationFactorMin
  }

  /**
   * The same pin with enough holders.
   * @throws ClusterError `NOT_ENOUGH_PEERS`
   */
  filled (pin: Pin, gone: readonly PeerId[], now: Time): Pin {
    const factors = this.#factors(pin)
    const kept = (pin.allocations ?? []).filter(peer => !this.#isGone(peer))
    const counted = kept.filter(peer => !this.#isSilent(peer))
    const room = factors.replicationFactorMax - kept.length
    const added = this.#pinning.allocate({
      ...pin,
      replicationFactorMin: Math.min(factors.replicationFactorMin - counted.length, room),
      replicationFactorMax: room,
    }, [], new Set([...kept, ...gone]))
    return { ...pin, ...factors, allocations: [...kept, ...added], timestamp: now }
  }

  /** Pins of old versions have none of their own; where the configured ones do not go with it, one holder is the least. */
  #factors (pin: Pin): Pick<Pin, 'replicationFactorMin' | 'replicationFactorMax'> {
    const { replicationFactorMin, replicationFactorMax } = pin
    if (replicationFactorMin !== 0 && replicationFactorMax !== 0) return { replicationFactorMin, replicationFactorMax }
    try {
      return this.#pinning.factors(pin)
    } catch {
      return { replicationFactorMin: 1, replicationFactorMax: Math.max(1, pin.allocations?.length ?? 0) }
    }
  }
}
