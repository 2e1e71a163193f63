import type { Metrics } from '../platform/metrics.ts'

/** Figures of one process, to look at. */
export class Figures implements Metrics {
  readonly #counters = new Map<string, number>()
  readonly #gauges = new Map<string, () => number>()

  counter (name: string): { add: (amount: number) => void } {
    return { add: amount => { this.#counters.set(name, (this.#counters.get(name) ?? 0) + amount) } }
  }

  gauge (name: string, _help: string, read?: () => number): { set: (value: number) => void } {
    let value = 0
    this.#gauges.set(name, read ?? (() => value))
    return { set: next => { value = next } }
  }

  /** 0 for a figure that nobody has set. */
  value (name: string): number { return this.#counters.get(name) ?? this.#gauges.get(name)?.() ?? 0 }
}
