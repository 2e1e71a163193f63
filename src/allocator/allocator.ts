import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'

/** Metrics of peers by metric name. */
export type MetricsByName = ReadonlyMap<string, readonly Metric[]>

/** Orders peers by how well they suit to hold new content; those that suit alike in any order. */
export interface Allocator {
  /** Names of the metrics that a peer must have to count. */
  readonly requiredMetrics: readonly string[]
  /** All of `priority`, best first, then all of `candidates`, best first. */
  allocate (input: { readonly candidates: MetricsByName, readonly priority: MetricsByName }): PeerId[]
}
