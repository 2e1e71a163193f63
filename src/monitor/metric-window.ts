import { isDiscarded, type Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Time } from '../domain/time.ts'

/** Names and peers that are kept at most: metrics come from anybody who has the secret. */
const maxNames = 512
const maxPeersOfName = 10_000

/** The latest metric of each peer by name. */
export class MetricWindow {
  readonly #latest = new Map<string, Map<PeerId, Metric>>()
  #dropped = 0

  /** False when the window is full and the metric was dropped. */
  add (metric: Metric): boolean {
    let ofName = this.#latest.get(metric.name)
    if (ofName === undefined) {
      if (this.#latest.size >= maxNames) return this.#drop()
      this.#latest.set(metric.name, ofName = new Map())
    }
    if (!ofName.has(metric.peer) && ofName.size >= maxPeersOfName) return this.#drop()
    ofName.set(metric.peer, metric)
    return true
  }

  /** Metrics that were dropped because the window was full. */
  get dropped (): number { return this.#dropped }

  /** Valid and unexpired ones, sorted by peer. */
  latest (name: string, now: Time): Metric[] {
    return [...this.#latest.get(name)?.values() ?? []].filter(metric => !isDiscarded(metric, now)).toSorted((a, b) => a.peer < b.peer ? -1 : 1)
  }

  latestFor (name: string, peer: PeerId): Metric | undefined {
    return this.#latest.get(name)?.get(peer)
  }

  names (): string[] { return [...this.#latest.keys()] }

  all (): Metric[] { return [...this.#latest.values()].flatMap(ofName => [...ofName.values()]) }

  remove (name: string, peer: PeerId): void {
    const ofName = this.#latest.get(name)
    ofName?.delete(peer)
    if (ofName?.size === 0) this.#latest.delete(name)
  }

  #drop (): false {
    this.#dropped++
    return false
  }
}
