import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { RepositoryStat } from '../domain/repository.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Informer } from './informer.ts'

export interface DiskInformerOptions {
  readonly self: PeerId
  /** `freespace`: more is better; `reposize`: less is better. */
  readonly metricType: 'freespace' | 'reposize'
  readonly metricTtlMs: number
  readonly repositoryStat: (options: CallOptions) => Promise<RepositoryStat>
  readonly platform: Platform
}

/** Told of a node without a limit on its repository, which says 2^64 - 1: sums of it can still be compared, also by the reference, which counts in 63 bits. */
const mostSpace = Number.MAX_SAFE_INTEGER

/** Room in the repository of the IPFS node (spec/components.md 3). */
export function diskInformer (options: DiskInformerOptions): Informer {
  const { self, metricType, metricTtlMs, platform } = options
  const logger = platform.loggers.component('diskinfo')
  const gauge = platform.metrics.gauge('ipfscluster_informer_disk', 'The metric value weight issued by disk informer')
  return {
    name: metricType,
    metricTtlMs,
    async metrics (callOptions = {}): Promise<Metric[]> {
      let value = 0
      let valid = true
      try {
        const { repoSize, storageMax } = await options.repositoryStat(callOptions)
        value = metricType === 'reposize' ? repoSize : Math.max(0, Math.min(storageMax - repoSize, mostSpace))
        if (metricType === 'freespace' && value === 0) {
          valid = false
          logger.warn('reported freespace is 0')
        }
      } catch (error) {
        valid = false
        logger.error(`the size of the IPFS repository is not known: ${error instanceof Error ? error.message : String(error)}`)
      }
      const weight = metricType === 'reposize' ? -value : value
      gauge.set(weight)
      const now = platform.clock.now()
      return [{ name: metricType, peer: self, value: String(value), expire: now + metricTtlMs, valid, weight, partitionable: false, receivedAt: 0 }]
    },
  }
}
