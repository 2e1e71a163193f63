import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlertMessage, MetricMessage } from '../codec/messages.ts'
import type { Divergence } from '../consensus/crdt/divergence-watch.ts'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLogger, silentLoggers } from '../platform/logger.ts'
import { loneNetwork } from '../platform/lone-network.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { GossipMonitor } from '../monitor/gossip-monitor.ts'
import { AlertHistory } from './alert-history.ts'

const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId

/** A history after so many metrics have expired one after the other. */
async function after (count: number, options?: { followerMode: boolean }): Promise<{ history: AlertHistory, warnings: string[] }> {
  const clock = virtualClock()
  const platform: Platform = { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
  const monitor = new GossipMonitor({ network: loneNetwork(peer), codec: MetricMessage, checkIntervalMs: 10, platform })
  await monitor.start()
  const history = new AlertHistory(options)
  const warnings: string[] = []
  const stop = new AbortController()
  const recording = history.record(monitor, { ...silentLogger, warn: (...told: unknown[]) => { warnings.push(String(told.at(-1))) } }, stop.signal)
  const metric: Metric = { name: 'ping', peer, value: '', expire: 0, valid: true, weight: 0, partitionable: false, receivedAt: 0 }
  for (let i = 0; i < count; i++) {
    monitor.record({ ...metric, value: String(i), expire: clock.now() + 1 })
    await clock.advance(10)
  }
  stop.abort()
  await recording
  await monitor.stop()
  return { history, warnings }
}

test('alerts come newest first, in the words of the reference, with the time of the alert', async () => {
  const { history, warnings } = await after(2)
  assert.deepEqual(history.list().map(({ value }) => value), ['1', '0'])
  assert.equal(warnings[0], `metric alert for ping: Peer: ${peer}.`)
  const json = JSON.parse(AlertMessage.encodeJson(history.list()[1] as never)) as Record<string, unknown>
  assert.deepEqual(Object.keys(json), ['name', 'peer', 'value', 'expire', 'valid', 'weight', 'partitionable', 'received_at', 'triggered_at'])
  assert.equal(json.triggered_at, '2030-01-01T00:00:00.01Z')
})

test('the oldest of more than a thousand are gone', async () => {
  const { history } = await after(1_005)
  assert.deepEqual([history.list().length, history.list()[0]?.value, history.list().at(-1)?.value], [1_000, '1004', '5'])
})

test('a follower has none', async () => {
  const { history, warnings } = await after(2, { followerMode: true })
  assert.deepEqual([history.list(), warnings], [[], []])
  const report = { digest: 'a', pins: 1, heads: 1, height: 1 } as unknown as Divergence['own']
  history.diverged({ peer, kind: 'wrong set', own: report, other: report } as Divergence, 1)
  assert.deepEqual(history.list(), [])
})
