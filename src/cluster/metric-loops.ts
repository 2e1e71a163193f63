import { errorText } from '../domain/errors.ts'
import type { Metric } from '../domain/metric.ts'
import type { Informer } from '../informer/informer.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'

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

/**
 * Publishes the metrics of all informers at each call. Calls that come while that is under way share
 * the one that follows: where the IPFS node takes long to say how much it holds, each pin would add
 * another question, until nothing else comes through to it.
 */
export function publishOnDemand (informers: () => ReadonlyArray<Pick<Informer, 'name' | 'metrics'>>, monitor: PeerMonitor, platform: Platform, signal: AbortSignal): () => void {
  let isUnderWay = false
  let isAskedAgain = false
  return () => {
    isAskedAgain = true
    if (isUnderWay) return
    isUnderWay = true
    void (async () => {
      while (isAskedAgain && !signal.aborted) {
        isAskedAgain = false
        await Promise.all(informers().map(informer => publishOnce(informer, monitor, platform, signal)))
      }
      isUnderWay = false
    })()
  }
}

function timeToLive (metric: Metric, now: number): number {
  return metric.expire > now ? metric.expire - now : assumedTtlMs
}

/** Time for a newcomer to say what it listens to, in milliseconds; more newcomers meanwhile are served with it. */
const newcomerMs = 1_000
/**
 * Newcomers do not make this peer publish more often than this, in milliseconds, nor than so much for
 * each connected peer: when many start at once all of them publish to all, and nothing else comes through.
 */
const newcomersPauseMs = 3_000
const newcomersPauseEachMs = 300

/** Publishes the metrics of `informers` also when another peer has connected: it should not wait for what is told once in a while. */
export async function publishToNewcomers (informers: ReadonlyArray<Pick<Informer, 'name' | 'metrics'>>, network: Pick<Network, 'onPeer' | 'peers'>, monitor: PeerMonitor, platform: Platform, signal: AbortSignal): Promise<void> {
  let wake = (): void => {}
  let hasCome = true
  const stop = network.onPeer((_peer, isConnected) => {
    if (!isConnected) return
    hasCome = true
    wake()
  })
  signal.addEventListener('abort', () => { wake() }, { once: true })
  while (!signal.aborted) {
    if (!hasCome) await new Promise<void>(resolve => { wake = resolve })
    await sleep(platform.clock, newcomerMs, signal).catch(() => {})
    if (signal.aborted) break
    hasCome = false
    for (const informer of informers) await publishOnce(informer, monitor, platform, signal)
    const pauseMs = Math.max(newcomersPauseMs, newcomersPauseEachMs * network.peers().length)
    await sleep(platform.clock, pauseMs - newcomerMs, signal).catch(() => {})
  }
  stop()
}
