import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { publishOnDemand, publishToNewcomers, pushMetrics } from './metric-loops.ts'

const self = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId

function scene () {
  const clock = virtualClock()
  const platform: Platform = { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
  const begin = clock.now()
  /** When each metric was published, in seconds from the begin. */
  const published: number[] = []
  const monitor = { publish: async () => { published.push((clock.now() - begin) / 1_000) } } as Partial<PeerMonitor> as PeerMonitor
  const metric = (changes: Partial<Metric> = {}): Metric => ({ name: 'freespace', peer: self, value: '', expire: clock.now() + 30_000, valid: true, weight: 0, partitionable: false, receivedAt: 0, ...changes })
  return { clock, platform, published, monitor, metric, stop: new AbortController() }
}

test('metrics are told at once and after half of the shortest life among them, after a quarter when they could not be had', async () => {
  const { clock, platform, published, monitor, metric, stop } = scene()
  let fails = false
  const pushing = pushMetrics({ name: 'disk', metrics: async () => {
    if (fails) return [metric({ valid: false })]
    return [metric(), metric({ expire: clock.now() + 60_000 })]
  } }, monitor, platform, stop.signal)
  await clock.advance(40_000)
  assert.deepEqual(published, [0, 0, 15, 15, 30, 30])
  fails = true
  await clock.advance(6_000)
  fails = false
  await clock.advance(14_000)
  assert.deepEqual(published.slice(6), [52.5, 52.5], 'tried in vain after 45 s')
  stop.abort()
  await pushing
})

test('of lives that differ the shortest counts, however long or short, but for a tenth of a second', async () => {
  for (const [lives, times] of [[[10_000, 60_000], [0, 5, 10, 15]], [[600_000, 200_000], [0, 100, 200]], [[1], [0, 0.1, 0.2]]] as const) {
    const { clock, platform, published, monitor, metric, stop } = scene()
    const pushing = pushMetrics({ name: 'disk', metrics: async () => lives.map(lifeMs => metric({ expire: clock.now() + lifeMs })) }, monitor, platform, stop.signal)
    await clock.advance((times.at(-1) ?? 0) * 1_000)
    assert.deepEqual(published, times.flatMap(time => lives.map(() => time)))
    stop.abort()
    await pushing
  }
})

test('an informer that throws is asked again, one whose metrics do not expire every quarter of a minute', async () => {
  const { clock, platform, published, monitor, metric, stop } = scene()
  let asked = 0
  const pushing = Promise.all([
    pushMetrics({ name: 'broken', metrics: async () => { asked++; throw new Error('no node') } }, monitor, platform, stop.signal),
    pushMetrics({ name: 'lasting', metrics: async () => [metric({ expire: 0 })] }, monitor, platform, stop.signal),
  ])
  await clock.advance(31_000)
  assert.deepEqual([asked, published], [5, [0, 15, 30]])
  stop.abort()
  await pushing
})

test('an informer that waits for its IPFS node ends with the peer', async () => {
  const { platform, monitor, published, stop } = scene()
  const pushing = pushMetrics({ name: 'disk', metrics: options => new Promise((_resolve, reject) => { options?.signal?.addEventListener('abort', () => { reject(new Error('aborted')) }) }) }, monitor, platform, stop.signal)
  stop.abort()
  await pushing
  assert.deepEqual(published, [])
})

test('pins that ask for metrics while those are being had share the next answer', async () => {
  const { clock, platform, published, monitor, metric, stop } = scene()
  let asked = 0
  const tell = publishOnDemand(() => [{ name: 'disk', metrics: async () => {
    asked++
    await sleep(clock, 10_000)
    return [metric()]
  } }], monitor, platform, stop.signal)
  for (let pin = 0; pin < 1_000; pin++) {
    tell()
    await clock.advance(10)
  }
  await clock.advance(30_000)
  assert.deepEqual([asked, published], [2, [10, 20]])
  tell()
  await clock.advance(10_000)
  assert.equal(published.length, 3, 'and later ones are served as well')
})

test('who connects is told soon, and many who come together once', async () => {
  const { clock, platform, published, monitor, metric, stop } = scene()
  let connect = (_peer: PeerId, _isConnected: boolean): void => {}
  let connected: PeerId[] = []
  const network = { peers: () => connected, onPeer: (listener: typeof connect) => { connect = listener; return () => {} } }
  const publishing = publishToNewcomers([{ name: 'ping', metrics: async () => [metric()] }], network, monitor, platform, stop.signal)
  await clock.advance(10_000)
  assert.deepEqual(published, [1])
  for (let n = 0; n < 50; n++) connect(self, true)
  connect(self, false)
  await clock.advance(500)
  connect(self, true)
  await clock.advance(20_000)
  assert.deepEqual(published, [1, 11])
  // In a large cluster all do so at once.
  connected = Array.from({ length: 40 }, () => self)
  for (let n = 0; n < 30; n++) {
    connect(self, true)
    await clock.advance(1_000)
  }
  assert.deepEqual(published.slice(2), [31.5, 43.5, 55.5])
  stop.abort()
  await publishing
})
