import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { FailureDetector } from './failure-detector.ts'
import { MetricWindow } from './metric-window.ts'

const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId

test('a process that stood still gives its messages time to come in before it judges', async () => {
  const clock = virtualClock()
  let standsStillMs = 0
  const paused: Clock = { ...clock, after: (delayMs, callback) => clock.after(delayMs + standsStillMs, callback) }
  const window = new MetricWindow()
  const metric: Metric = { name: 'ping', peer, value: '', expire: clock.now() + 30_000, valid: true, weight: 0, partitionable: false, receivedAt: clock.now() }
  const put = () => window.put(metric, { signedExpire: metric.expire, sequence: undefined, lifeMs: 30_000, now: clock.monotonic(), isPreferred: () => false })
  put()
  const alerts: string[] = []
  const detector = new FailureDetector({ window, clock: paused, checkIntervalMs: 15_000, onAlert: alert => { alerts.push(alert.name) } })
  standsStillMs = 300_000
  detector.start()
  standsStillMs = 0
  await clock.advance(315_000)
  assert.deepEqual(alerts, [])
  put()
  await clock.advance(15_000)
  assert.deepEqual(alerts, [], 'it was alive all the time')
  await clock.advance(30_000)
  assert.deepEqual(alerts, ['ping'])
  detector.stop()
})

test('a metric counts up to its end, and none is missed once the detector has been stopped', async () => {
  const clock = virtualClock()
  const window = new MetricWindow()
  const metric: Metric = { name: 'ping', peer, value: '', expire: clock.now() + 30_000, valid: true, weight: 0, partitionable: false, receivedAt: clock.now() }
  const put = () => window.put(metric, { signedExpire: metric.expire, sequence: undefined, lifeMs: 30_000, now: clock.monotonic(), isPreferred: () => false })
  put()
  const alerts: string[] = []
  const detector = new FailureDetector({ window, clock, checkIntervalMs: 15_000, onAlert: alert => { alerts.push(alert.name) } })
  detector.start()
  await clock.advance(30_000)
  assert.deepEqual(alerts, [])
  assert.equal(window.latest('ping', clock.monotonic()).length, 1, 'at its end it still counts for all')
  await clock.advance(15_000)
  assert.deepEqual(alerts, ['ping'])
  put()
  detector.stop()
  await clock.advance(600_000)
  assert.deepEqual(alerts, ['ping'])
  assert.equal(clock.nextAt(), undefined, 'it asks for no more rounds')
})
