import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Informer } from './informer.ts'

export interface PinCountInformerOptions {
  readonly self: PeerId
  readonly metricTtlMs: number
  /** Kept, not counted. */
  readonly count: () => number
  readonly platform: Platform
}

/** Pins of the pinset, as metric `numpin`: peers with fewer come first. */
export function pinCountInformer (options: PinCountInformerOptions): Informer {
  return {
    name: 'numpin',
    metricTtlMs: options.metricTtlMs,
    async metrics () {
      const count = options.count()
      return [{ name: 'numpin', peer: options.self, value: String(count), expire: options.platform.clock.now() + options.metricTtlMs, valid: true, weight: -count || 0, partitionable: false, receivedAt: 0 }]
    },
  }
}
