import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetricMessage } from '../codec/messages.ts'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLoggers } from '../platform/logger.ts'
import { loneNetwork } from '../platform/lone-network.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { GossipMonitor, metricsTopic } from './gossip-monitor.ts'

const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const other = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId

async function started () {
  const clock = virtualClock()
  const platform: Platform = { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
  const network = loneNetwork(self)
  const monitor = new GossipMonitor({ network, codec: MetricMessage, checkIntervalMs: 1_000, platform })
  await monitor.start()
  const metric = (changes: Partial<Metric> = {}): Metric => ({ name: 'ping', peer: self, value: 'v', expire: clock.now() + 5_000, valid: true, weight: 0, partitionable: false, receivedAt: 0, ...changes })
  return { clock, network, monitor, metric }
}

test('what is published comes back, the latest counts, invalid and expired ones do not', async () => {
  const { clock, monitor, metric } = await started()
  await monitor.publish(metric({ value: 'old' }))
  await monitor.publish(metric({ value: 'new' }))
  await monitor.publish(metric({ name: 'broken', valid: false }))
  monitor.record(metric({ peer: other, expire: clock.now() - 1 }))
  assert.deepEqual(monitor.latest('ping').map(found => [found.peer, found.value]), [[self, 'new']])
  assert.deepEqual(monitor.names(), ['ping'])
  await monitor.stop()
})

test('bytes that are no metric change nothing', async () => {
  const { network, monitor } = await started()
  await network.publish(metricsTopic, Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff))
  assert.deepEqual(monitor.names(), [])
  await monitor.stop()
})

test('each metric that expires gives one alert, and another when it came back and expired again', async () => {
  const { clock, monitor, metric } = await started()
  const stop = new AbortController()
  const alerts: string[] = []
  const reading = (async () => {
    for await (const alert of monitor.alerts({ signal: stop.signal })) alerts.push(`${alert.name} ${alert.peer === self ? 'self' : 'other'}`)
  })()
  monitor.record(metric())
  monitor.record(metric({ peer: other }))
  await clock.advance(10_000)
  assert.deepEqual(alerts.toSorted(), ['ping other', 'ping self'])
  monitor.record(metric())
  await clock.advance(10_000)
  assert.equal(alerts.length, 3)
  stop.abort()
  await reading
  await monitor.stop()
})
