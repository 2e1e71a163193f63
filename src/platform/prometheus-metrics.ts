import type { Metrics } from './metrics.ts'

/** {@link Metrics} that can be read out. */
export interface PrometheusMetrics extends Metrics {
  /** All figures in Prometheus' text form, as they are at the call. Rejects with what a `read` callback threw. */
  text (): Promise<string>
  readonly contentType: string
}

/**
 * Figures in prom-client, with those of the process beside ours. A name that is asked for again is
 * the same figure: several components may add to one.
 */
export async function prometheusMetrics (): Promise<PrometheusMetrics> {
  const { Counter, Gauge, Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    counter (name, help) {
      const known = registry.getSingleMetric(name)
      const counter = known instanceof Counter ? known : new Counter({ name, help, registers })
      return { add: amount => { counter.inc(amount) } }
    },
    gauge (name, help, read) {
      const known = registry.getSingleMetric(name)
      const gauge = known instanceof Gauge ? known : new Gauge({ name, help, registers, ...(read && { collect () { this.set(read()) } }) })
      return { set: value => { gauge.set(value) } }
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
