/** A figure that only grows. */
export interface Counter { add (amount: number): void }
/** A figure that goes up and down. */
export interface Gauge { set (value: number): void }

/**
 * Figures for Prometheus (spec/components.md 10). A figure changes where the state changes; a
 * `read` callback may only look at something that is kept anyway, never scan.
 */
export interface Metrics {
  counter (name: string, help: string): Counter
  gauge (name: string, help: string, read?: () => number): Gauge
}

const nothing = (): void => {}
export const noMetrics: Metrics = { counter: () => ({ add: nothing }), gauge: () => ({ set: nothing }) }
