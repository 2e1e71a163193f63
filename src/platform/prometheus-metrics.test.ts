import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prometheusMetrics } from './prometheus-metrics.ts'

test('a counter grows and a gauge is what it was set to last', async () => {
  const metrics = await prometheusMetrics()
  const counter = metrics.counter('ours_total', 'Ours')
  const gauge = metrics.gauge('ours_now', 'Ours now')
  for (const amount of [1, 0, 2.5]) counter.add(amount)
  for (const value of [5, -3]) gauge.set(value)
  const text = await metrics.text()
  assert.match(text, /^# TYPE ours_total counter\nours_total 3\.5$/m)
  assert.match(text, /^# TYPE ours_now gauge\nours_now -3$/m)
})

test('a gauge with a callback is read when the figures are', async () => {
  const metrics = await prometheusMetrics()
  let reads = 0
  metrics.gauge('ours_now', 'Ours now', () => ++reads)
  assert.equal(reads, 0)
  assert.match(await metrics.text(), /^ours_now 1$/m)
  assert.match(await metrics.text(), /^ours_now 2$/m)
})

test('components that ask for the same name add to one figure', async () => {
  const metrics = await prometheusMetrics()
  metrics.counter('ours_total', 'Ours').add(1)
  metrics.counter('ours_total', 'Ours').add(2)
  metrics.gauge('ours_now', 'Ours now').set(1)
  metrics.gauge('ours_now', 'Ours now').set(4)
  const text = await metrics.text()
  assert.deepEqual(text.match(/^ours_.*$/gm), ['ours_total 3', 'ours_now 4'])
})

test('two peers in one process count for themselves', async () => {
  const [one, other] = await Promise.all([prometheusMetrics(), prometheusMetrics()])
  one.counter('ours_total', 'Ours').add(1)
  other.counter('ours_total', 'Ours').add(5)
  assert.match(await one.text(), /^ours_total 1$/m)
  assert.match(await other.text(), /^ours_total 5$/m)
})

test('the figures of the process are there', async () => {
  const text = await (await prometheusMetrics()).text()
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_start_time_seconds', 'nodejs_heap_size_used_bytes']) {
    assert.match(text, new RegExp(`^${name} [\\d.e+]+$`, 'm'))
  }
})
