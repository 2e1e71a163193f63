import { errorText } from '../domain/errors.ts'
import type { Metric } from '../domain/metric.ts'
import type { Informer } from '../informer/informer.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'

/** Assumed for metrics without a time to live, in milliseconds (spec/components.md 1.2). */
const assumedTtlMs = 30_000
/** Never more often than this, however short the time to live. */
const leastPushMs = 100

/** Publishes the metrics of an informer: at once, then after half of their life, after a quarter when that failed. */
export async function pushMetrics (informer: Pick<Informer, 'name' | 'metrics'>, monitor: PeerMonitor, platform: Platform, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const waitMs = await publishOnce(informer, monitor, platform, signal)
    await sleep(platform.clock, Math.max(leastPushMs, waitMs), signal).catch(() => {})
  }
}

/** Publishes once; answers when to publish again, in milliseconds. */
export async function publishOnce (informer: Pick<Informer, 'name' | 'metrics'>, monitor: PeerMonitor, platform: Platform, signal: AbortSignal): Promise<number> {
  let shortest = Infinity
  let failed = false
  try {
    for (const metric of await informer.metrics({ signal })) {
      shortest = Math.min(shortest, timeToLive(metric, platform.clock.now()))
      if (metric.valid) await monitor.publish(metric)
      else failed = true
    }
  } catch (error) {
    failed = true
    if (!signal.aborted) platform.loggers.component('cluster').warn({ informer: informer.name }, `metrics could not be published: ${errorText(error)}`)
  }
  const ttl = Number.isFinite(shortest) ? shortest : assumedTtlMs
  return failed ? ttl / 4 : ttl / 2
}

function timeToLive (metric: Metric, now: number): number {
  return metric.expire > now ? metric.expire - now : assumedTtlMs
}
