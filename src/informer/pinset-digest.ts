import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Informer } from './informer.ts'

export interface PinsetDigestInformerOptions {
  readonly self: PeerId
  readonly name: string
  readonly metricTtlMs: number
  /** What this peer says of its pinset. */
  readonly report: () => string
  readonly platform: Platform
}

/** Tells other peers what pinset this one has, so that a difference is seen. Not for allocations. */
export function pinsetDigestInformer ({ self, name, metricTtlMs, report, platform }: PinsetDigestInformerOptions): Informer {
  return {
    name,
    metricTtlMs,
    async metrics () {
      return [{ name, peer: self, value: report(), expire: platform.clock.now() + metricTtlMs, valid: true, weight: 0, partitionable: false, receivedAt: 0 }]
    },
  }
}
