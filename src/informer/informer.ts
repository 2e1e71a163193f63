import type { Metric } from '../domain/metric.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** Measures something of this peer for the allocator. */
export interface Informer {
  readonly name: string
  /** How long a metric counts, in milliseconds; it is sent again after half of it. */
  readonly metricTtlMs: number
  /** At least one metric at each call; not valid when it could not be measured. */
  metrics (options?: CallOptions): Promise<Metric[]>
}
