import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Informer } from './informer.ts'

export interface PinQueueInformerOptions {
  readonly self: PeerId
  readonly metricTtlMs: number
  /** Queues within one bucket count as equal; 0 for no buckets. */
  readonly weightBucketSize: number
  readonly queueSize: () => number
  readonly platform: Platform
}

/** Pins that wait: peers with shorter queues come first (spec/components.md 3). */
export function pinQueueInformer (options: PinQueueInformerOptions): Informer {
  return {
    name: 'pinqueue',
    metricTtlMs: options.metricTtlMs,
    async metrics () {
      const queued = options.queueSize()
      // `|| 0` because minus zero would be written as such.
      const weight = -Math.trunc(options.weightBucketSize === 0 ? queued : queued / options.weightBucketSize) || 0
      return [{ name: 'pinqueue', peer: options.self, value: String(queued), expire: options.platform.clock.now() + options.metricTtlMs, valid: true, weight, partitionable: false, receivedAt: 0 }]
    },
  }
}
