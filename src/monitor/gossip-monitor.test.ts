import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MetricMessage } from '../codec/messages.ts'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLogger } from '../platform/logger.ts'
import { MemoryNetworks } from '../platform/memory-network.ts'
import type { Network } from '../platform/network.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { admit } from './admission.ts'
import { GossipMonitor, metricsTopic } from './gossip-monitor.ts'
import type { WindowBounds } from './metric-window.ts'

const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const other = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
const third = '12D3KooWPShxp4d8Aa7PRGUzPgdMMRkLdNjyVaMgGWHc2k8kLHhh' as PeerId

interface Setup {
  readonly clock: ReturnType<typeof virtualClock>
  readonly monitor: GossipMonitor
  /** What other peers publish with. */
  readonly network: (peer: PeerId) => Network
  readonly metric: (changes?: Partial<Metric>) => Metric
  /** Sends as `from`, whatever the metric says, and waits until it arrived. */
  readonly send: (from: PeerId, metric: Metric, prefix?: string) => Promise<void>
  /** Lets the n-th message that was heard be heard again as it was. */
  readonly repeat: (n: number) => void
  readonly alerts: string[]
  readonly warnings: string[]
  readonly dropped: () => number
  readonly stop: () => Promise<void>
}

async function started ({ bounds = {} }: { bounds?: Partial<WindowBounds> } = {}): Promise<Setup> {
  const clock = virtualClock()
  const warnings: string[] = []
  let dropped = 0
  const platform: Platform = {
    clock,
    random: systemRandom,
    loggers: { component: () => ({ ...silentLogger, warn: (...told: unknown[]) => { warnings.push(String(told.at(-1))) } }) },
    metrics: { counter: () => ({ add: amount => { dropped += amount } }), gauge: () => ({ set: () => {} }) },
  }
  const networks = new MemoryNetworks(clock)
  const joined = new Map<PeerId, Network>()
  const network = (peer: PeerId): Network => {
    const known = joined.get(peer) ?? networks.join(peer)
    joined.set(peer, known)
    return known
  }
  await network(self).start(AbortSignal.any([]))
  const heard: Array<() => void> = []
  const own: Network = {
    ...network(self),
    subscribe: (topic, handler, accept) => network(self).subscribe(topic, message => {
      heard.push(() => { handler(message) })
      handler(message)
    }, accept),
  }
  const monitor = new GossipMonitor({ network: own, codec: MetricMessage, checkIntervalMs: 1_000, platform, bounds })
  await monitor.start()
  const alerts: string[] = []
  const reading = new AbortController()
  const read = (async () => {
    for await (const alert of monitor.alerts({ signal: reading.signal })) alerts.push(`${alert.name} of ${alert.peer === self ? 'self' : alert.peer === other ? 'other' : 'third'}`)
  })()
  return {
    clock, monitor, network, alerts, warnings,
    repeat: n => { heard[n]?.() },
    dropped: () => dropped,
    metric: (changes = {}) => ({ name: 'ping', peer: other, value: 'v', expire: clock.now() + 30_000, valid: true, weight: 0, partitionable: false, receivedAt: 0, ...changes }),
    async send (from, metric, prefix = '') {
      await network(from).publish(metricsTopic, Buffer.concat([Buffer.from(prefix), MetricMessage.encodeMsgpack(metric)]))
      await clock.settle()
    },
    async stop () {
      reading.abort()
      await read
      await monitor.stop()
    },
  }
}

const values = (setup: Setup, name = 'ping'): string[] => setup.monitor.latest(name).map(({ value }) => value)

test('the latest metric of each peer counts, those of all peers come sorted, invalid ones are not sent', async () => {
  const setup = await started()
  const { monitor, metric, send } = setup
  await send(other, metric({ value: 'old' }))
  await send(other, metric({ value: 'new' }))
  await monitor.publish(metric({ peer: self, value: 'mine' }))
  await monitor.publish(metric({ peer: self, name: 'broken', valid: false }))
  await setup.clock.settle()
  assert.deepEqual(values(setup), ['mine', 'new'])
  assert.deepEqual(monitor.names(), ['ping'])
  await setup.stop()
})

test('a metric in the form of old versions is read', async () => {
  const setup = await started()
  await setup.send(other, setup.metric(), '\u0009/msgpack\n')
  assert.deepEqual(values(setup), ['v'])
  await setup.stop()
})

test('nobody speaks for another peer: a dead one stays dead and a living one lives', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  await send(other, metric({ value: 'true' }))
  await send(third, metric({ value: 'forged', expire: clock.now() + 1 }))
  await clock.advance(5_000)
  assert.deepEqual(values(setup), ['true'])
  for (let i = 0; i < 10; i++) {
    await send(third, metric({ value: 'forged' }))
    await clock.advance(5_000)
  }
  assert.deepEqual(values(setup), [])
  assert.deepEqual(setup.alerts, ['ping of other'])
  await setup.stop()
})

test('old words of a peer change nothing when they are sent again', async () => {
  const setup = await started()
  const { clock, metric, send, repeat } = setup
  await send(other, metric({ value: 'old' }))
  await clock.advance(20_000)
  await send(other, metric({ value: 'new' }))
  repeat(0)
  await clock.advance(20_000)
  assert.deepEqual(values(setup), ['new'], 'it would have expired with the old one')
  await clock.advance(20_000)
  repeat(0)
  assert.deepEqual(values(setup), [], 'nobody is raised from the dead')
  await setup.stop()
})

test('nor do old words of a peer that has said more since, though no later than the first of them', async () => {
  const setup = await started()
  const { clock, metric, send, repeat } = setup
  for (const value of ['first', 'second', 'third']) {
    await send(other, metric({ value }))
    await clock.advance(5_000)
  }
  repeat(1)
  assert.deepEqual(values(setup), ['third'])
  assert.deepEqual(setup.warnings, [], 'gossip may bring them late')
  await setup.stop()
})

test('a rare metric that this peer does not have itself counts as long as it says', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  for (let n = 0; n < 5; n++) {
    await send(other, metric({ name: 'tag:rare', expire: clock.now() + 600_000 }))
    for (let minute = 0; minute < 5; minute++) {
      await clock.advance(60_000)
      assert.deepEqual(values(setup, 'tag:rare'), ['v'])
    }
  }
  await setup.stop()
})

test('what is not valid is not sent at all, and a monitor that has stopped hears nothing and misses nobody', async () => {
  const setup = await started()
  const { clock, monitor, metric, send, network, alerts } = setup
  let sent = 0
  await network(third).start(AbortSignal.any([]))
  network(third).subscribe(metricsTopic, () => { sent++ })
  await monitor.publish(metric({ peer: self, valid: false }))
  await monitor.publish(metric({ peer: self, name: 'freespace' }))
  await clock.settle()
  assert.equal(sent, 1)
  await send(other, metric())
  await setup.stop()
  await send(other, metric({ value: 'after the end' }))
  assert.equal(monitor.latestFor('ping', other)?.value, 'v')
  await clock.advance(600_000)
  assert.deepEqual(alerts, [])
  assert.equal(clock.nextAt(), undefined)
})

test('what a peer says itself follows on what this peer vouched for', async () => {
  const setup = await started()
  setup.monitor.record(setup.metric({ value: 'vouched' }))
  await setup.send(other, setup.metric({ value: 'own', expire: setup.clock.now() + 29_000 }))
  assert.deepEqual(values(setup), ['own'])
  await setup.stop()
})

test('what cannot be a metric is dropped, counted, and told once of each sender', async () => {
  const setup = await started()
  const { network, metric, send, warnings, dropped } = setup
  for (let i = 0; i < 100; i++) {
    await network(other).publish(metricsTopic, Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff))
    await send(third, metric({ peer: third, expire: setup.clock.now() + 366 * 86_400_000 }))
  }
  await network(third).publish(metricsTopic, new Uint8Array(1_000_000))
  await send(third, metric({ peer: third, name: '' }))
  await send(third, metric({ peer: third, name: 'x'.repeat(1_000) }))
  await send(third, metric({ peer: third, valid: false }))
  assert.deepEqual(setup.monitor.names(), [])
  assert.equal(dropped(), 204)
  assert.equal(warnings.length, 2)
  assert.match(warnings.join('\n'), /cannot be read[^]*more than a day/)
  await setup.stop()
})

test('any bytes from anybody leave the monitor at work', async () => {
  const setup = await started()
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => {
    await setup.network(other).publish(metricsTopic, bytes)
    await setup.clock.settle()
  }), { numRuns: 200 })
  await setup.send(other, setup.metric())
  assert.deepEqual(values(setup), ['v'])
  await setup.stop()
})

test('a peer that sends names without end gets as many as a peer may have', async () => {
  const setup = await started()
  for (let i = 0; i < 1_000; i++) await setup.send(other, setup.metric({ name: `name ${i}` }))
  assert.equal(setup.monitor.names().length, 64)
  assert.equal(setup.dropped(), 936)
  assert.equal(setup.warnings.length, 1)
  await setup.send(other, setup.metric({ name: 'name 0', value: 'still heard' }))
  assert.deepEqual(values(setup, 'name 0'), ['still heard'])
  await setup.stop()
})

test('values are bounded by their bytes', async () => {
  const setup = await started()
  for (const name of ['a', 'b', 'c']) await setup.send(other, setup.metric({ name, value: 'x'.repeat(40_000) }))
  assert.deepEqual(setup.monitor.names(), ['a', 'b'])
  await setup.stop()
})

test('short metrics count with what keeping them costs', async () => {
  const setup = await started({ bounds: { bytes: 100_000 } })
  for (let n = 0; n < 500; n++) setup.monitor.record(setup.metric({ name: 'n', peer: `12D3KooWstranger${n}` as PeerId, value: '' }))
  assert.equal(setup.monitor.latest('n').length, 199)
  await setup.stop()
})

test('strangers that fill the window make place for the dead and for who is connected', async () => {
  const setup = await started({ bounds: { peers: 3 } })
  const { clock, metric, send } = setup
  const strangers = [1, 2, 3, 4, 5].map(n => `12D3KooWstranger${n}` as PeerId)
  await setup.network(other).start(AbortSignal.any([]))
  for (const peer of strangers.slice(0, 3)) setup.monitor.record(metric({ peer }))
  setup.monitor.record(metric({ peer: strangers[3] as PeerId }))
  assert.deepEqual(setup.monitor.latest('ping').map(({ peer }) => peer), strangers.slice(0, 3), 'no room for a fourth')
  await clock.advance(2_000)
  await send(other, metric())
  assert.deepEqual(setup.monitor.latest('ping').map(({ peer }) => peer).includes(other), true)
  await clock.advance(31_000)
  setup.monitor.record(metric({ peer: strangers[4] as PeerId }))
  assert.deepEqual(setup.monitor.latest('ping').map(({ peer }) => peer), [strangers[4]])
  await setup.stop()
})

test('every metric of a peer that dies gives one alert, and one more when it has come back and died again', async () => {
  const setup = await started()
  const { clock, metric, send, alerts } = setup
  for (const name of ['ping', 'freespace', 'tag:group']) await send(other, metric({ name }))
  await send(third, metric({ name: 'freespace', peer: third, expire: clock.now() + 600_000 }))
  await clock.advance(120_000)
  assert.deepEqual(alerts.toSorted(), ['freespace of other', 'ping of other', 'tag:group of other'])
  await send(other, metric())
  await clock.advance(120_000)
  assert.deepEqual(alerts.slice(3), ['ping of other'])
  await setup.stop()
})

test('a peer that stays dead is forgotten', async () => {
  const setup = await started()
  await setup.send(other, setup.metric())
  await setup.clock.advance(30_000)
  assert.deepEqual([setup.monitor.hears('ping', other), setup.monitor.hears('ping', third)], [true, false], 'up to its end')
  await setup.clock.advance(10_000)
  assert.equal(setup.monitor.hears('ping', other), false)
  assert.deepEqual(setup.monitor.presences('ping'), [{ peer: other, silentMs: 40_000, expiredMs: 10_000 }])
  assert.equal(setup.monitor.latestFor('ping', other)?.value, 'v')
  await setup.clock.advance(400_000)
  assert.deepEqual(setup.monitor.presences('ping'), [])
  assert.deepEqual(setup.monitor.names(), [])
  assert.deepEqual(setup.alerts, ['ping of other'])
  await setup.stop()
})

test('a wall clock that is set forward makes nobody dead', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  await setup.network(other).start(AbortSignal.any([]))
  await send(other, metric())
  const before = clock.now()
  clock.setWallClock(before + 3_600_000)
  for (let i = 0; i < 10; i++) {
    await clock.advance(15_000)
    // The other's clock is right, so by ours its metrics are an hour old.
    await send(other, metric({ expire: clock.now() - 3_600_000 + 30_000 }))
    assert.deepEqual(values(setup), ['v'])
  }
  assert.deepEqual(setup.alerts, [])
  await clock.advance(60_000)
  assert.deepEqual(setup.alerts, ['ping of other'], 'and it can die all the same')
  await setup.stop()
})

test('a peer whose clock runs ahead does not outlive its death by hours', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  for (let i = 0; i < 10; i++) {
    await send(other, metric({ expire: clock.now() + 3_630_000 }))
    await clock.advance(15_000)
  }
  assert.deepEqual(values(setup), ['v'])
  await clock.advance(120_000)
  assert.deepEqual(values(setup), [])
  await setup.stop()
})

test('nor does one that has said but one word, while a rare metric counts as long as it says', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  await send(other, metric({ expire: clock.now() + 3_630_000 }))
  await send(other, metric({ name: 'tag:rare', expire: clock.now() + 3_630_000 }))
  await clock.advance(110_000)
  assert.deepEqual(values(setup), ['v'])
  await clock.advance(20_000)
  assert.deepEqual(values(setup), [])
  assert.deepEqual(setup.alerts, ['ping of other'])
  assert.deepEqual(values(setup, 'tag:rare'), ['v'])
  await setup.stop()
})

test('where metrics are rare no peer lacks one between them, however the first ones came', async () => {
  for (const [name, minutes, greetings] of [['ping', 5, 2], ['ping', 20, 1], ['ping', 20, 3], ['freespace', 5, 3]] as const) {
    const lifeMs = 2 * minutes * 60_000
    const setup = await started()
    const { clock, monitor, metric, send } = setup
    const next = (peer: PeerId): Metric => metric({ name, peer, expire: clock.now() + lifeMs })
    for (let n = 0; n < greetings + 3; n++) {
      await monitor.publish(next(self))
      await send(other, next(other))
      await clock.advance(n < greetings - 1 ? 3_000 : minutes * 60_000)
      assert.deepEqual(values(setup, name), ['v', 'v'], `${name} each ${minutes} minutes, after ${n}`)
    }
    assert.deepEqual(setup.alerts, [])
    await setup.stop()
  }
})

test('a peer that speaks less often than this one lives on between its pings, however it greeted, while somebody vouches for it; one that begins to is missed twice', async () => {
  const often = 15_000
  const rarely = 300_000
  for (const [pauses, alerts] of [
    [[rarely, rarely, rarely, rarely, rarely], 0],
    [[3_000, rarely, rarely, rarely, rarely], 0],
    [[3_000, 50, 3_000, rarely, rarely, rarely, rarely], 0],
    [[...Array.from({ length: 20 }, () => often), 3_000, rarely, rarely, rarely, rarely], 2],
  ] as const) {
    const setup = await started()
    const { clock, monitor, metric, send } = setup
    await monitor.publish(metric({ expire: clock.now() + 2 * often }))
    for (const pause of pauses) {
      await send(other, metric({ expire: clock.now() + 2 * (pause === often ? often : rarely) }))
      assert.deepEqual(values(setup), ['v'])
      for (let leftMs: number = pause; leftMs > 0; leftMs -= 10_000) {
        if (!monitor.hasTold('ping', other)) monitor.record(metric({ peer: other, value: 'answered', expire: clock.now() + 30_000 }))
        await clock.advance(Math.min(leftMs, 10_000))
      }
    }
    assert.equal(monitor.hasTold('ping', other), true)
    assert.deepEqual(setup.alerts, Array.from({ length: alerts }, () => 'ping of other'), `pauses ${pauses}`)
    await setup.stop()
  }
})

test('one that pings rarely lives on between its pings when its first one comes minutes after this peer vouched for it', async () => {
  const { clock, monitor, network, metric, send, alerts, stop } = await started()
  await network(other).start(AbortSignal.any([]))
  const vouch = (): void => { monitor.record(metric({ name: 'ping', peer: other, expire: clock.now() + 30_000 })) }
  for (let s = 0; s < 270; s += 10) {
    vouch()
    assert.equal(monitor.hasTold('ping', other), false)
    await clock.advance(10_000)
  }
  for (let n = 0; n < 4; n++) {
    await send(other, metric({ name: 'ping', peer: other, expire: clock.now() + 600_000 }))
    for (let s = 0; s < 300; s += 10) {
      if (n === 0) vouch()
      assert.equal(monitor.hears('ping', other), true, `${s} s after ping ${n}`)
      assert.equal(monitor.hasTold('ping', other), n > 0, `${s} s after ping ${n}`)
      await clock.advance(10_000)
    }
  }
  assert.deepEqual(alerts, [])
  await clock.advance(310_000)
  assert.deepEqual([monitor.hears('ping', other), monitor.hasTold('ping', other), alerts.length], [false, true, 1])
  await stop()
})

test('a peer that starts again with longer periods is not missed between what it tells', async () => {
  for (const [name, minutes] of [['ping', 5], ['freespace', 30]] as const) {
    const { clock, monitor, network, metric, send, alerts, stop } = await started()
    const tell = (lifeMs: number): Promise<void> => send(other, metric({ name, peer: other, expire: clock.now() + lifeMs }))
    await network(other).start(AbortSignal.any([]))
    for (let n = 0; n < 40; n++) {
      await tell(30_000)
      await clock.advance(15_000)
    }
    await network(other).stop()
    await clock.advance(5_000)
    await network(other).start(AbortSignal.any([]))
    await clock.settle()
    for (let n = 0; n < 4; n++) {
      await tell(2 * minutes * 60_000)
      for (let s = 0; s < minutes * 60; s += 10) {
        // As a peer that answers when it is asked.
        if (!monitor.hasTold(name, other)) monitor.record(metric({ name, peer: other, expire: clock.now() + 30_000 }))
        await clock.advance(10_000)
        assert.ok(monitor.hears(name, other), `${name} ${n} after ${s} s`)
      }
    }
    assert.deepEqual(alerts, [])
    await stop()
  }
})

test('that this peer vouches for one whose clock runs ahead does not make its claims believable again', async () => {
  const { clock, monitor, network, metric, send, stop } = await started()
  await network(other).start(AbortSignal.any([]))
  const ping = (): Promise<void> => send(other, metric({ name: 'ping', peer: other, expire: clock.now() + 3_600_000 }))
  for (let n = 0; n < 20; n++) {
    await ping()
    await clock.advance(15_000)
  }
  await clock.advance(120_000)
  assert.equal(monitor.hears('ping', other), false)
  monitor.record(metric({ name: 'ping', peer: other, expire: clock.now() + 30_000 }))
  await ping()
  await clock.advance(130_000)
  assert.equal(monitor.hears('ping', other), false)
  await stop()
})

test('nor does this peer miss one that pings rarely when one of both clocks is an hour wrong from the start, and it finds its death', async () => {
  for (const minutes of [0.25, 1, 5]) {
    const setup = await started()
    const { clock, monitor, metric, send } = setup
    await setup.network(other).start(AbortSignal.any([]))
    const lifeMs = 2 * minutes * 60_000
    for (let n = 0; n < 12; n++) {
      await monitor.publish(metric({ expire: clock.now() + lifeMs }))
      await send(other, metric({ expire: clock.now() + lifeMs - 3_600_000 }))
      assert.deepEqual(values(setup), ['v'], `each ${minutes} minutes, after ${n}`)
      await clock.advance(n < 2 ? 1_000 : minutes * 60_000)
    }
    assert.deepEqual(setup.alerts, [])
    await clock.advance(2 * lifeMs)
    assert.deepEqual(setup.alerts, ['ping of other'])
    await setup.stop()
  }
})

test('a peer that is heard by way of others only lives on when its clock, which ran ahead, is set right: its messages have numbers', async () => {
  const metric = (expire: number): Metric => ({ name: 'ping', peer: other, value: '', expire, valid: true, weight: 0, partitionable: false, receivedAt: 0 })
  const kept = { metric: metric(3_630_000), signedExpire: 3_630_000, sequence: 7n, deadline: 30_000, arrivedAt: 0, firstAt: 0, interval: 15_000, absence: 0, isDoubted: false, roundsExpired: 0 }
  const arrival = { metric: metric(45_000), from: other, now: 15_000, moment: 15_000, kept, ownLifeMs: 30_000, isConnected: () => false }
  assert.deepEqual(admit({ ...arrival, sequence: 8n }), { metric: metric(45_000), signedExpire: 45_000, sequence: 8n, lifeMs: 30_000, rhythm: { firstAt: 0, interval: 15_000, absence: 0 }, isDoubted: false })
  for (const sequence of [undefined, 7n, 6n]) assert.equal(admit({ ...arrival, sequence }), 'older than the last one')
  assert.equal(admit({ ...arrival, now: 50_000, sequence: 8n }), 'expired')
})

test('a peer whose clock ran ahead and is set right lives on all the while', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  await setup.network(other).start(AbortSignal.any([]))
  for (let n = 0; n < 30; n++) {
    await send(other, metric({ value: String(n), expire: clock.now() + 30_000 + (n < 5 ? 3_600_000 : 0) }))
    assert.deepEqual(values(setup), [String(n)])
    await clock.advance(15_000)
  }
  assert.deepEqual(setup.alerts, [])
  await setup.stop()
})

test('a long absence does not make the next claims of a clock that runs ahead believable', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  const ahead = () => send(other, metric({ expire: clock.now() + 3_630_000 }))
  for (let i = 0; i < 10; i++) {
    await ahead()
    await clock.advance(15_000)
  }
  await clock.advance(280_000)
  assert.deepEqual(values(setup), [])
  await ahead()
  await clock.advance(15_000)
  await ahead()
  await clock.advance(125_000)
  assert.deepEqual(values(setup), [])
  await setup.stop()
})

test('a peer whose clock is set back, or is behind, lives on all the while, and dies all the same', async () => {
  for (const behindMs of [5_000, 16_000, 20_000, 29_000, 31_000, 45_000, 59_000, 3_600_000]) {
    for (const wasRight of [true, false]) {
      const setup = await started()
      const { clock, metric, send } = setup
      await setup.network(other).start(AbortSignal.any([]))
      const isFirstShort = !wasRight && behindMs > 15_000 && behindMs < 30_000
      for (let n = 0; n < 30; n++) {
        const isBehind = !wasRight || n >= 5
        await send(other, metric({ value: String(n), expire: clock.now() + 30_000 - (isBehind ? behindMs : 0) }))
        assert.deepEqual(values(setup), [String(n)], `${behindMs} ms behind`)
        await clock.advance(15_000)
        // Before the second one nobody can know how often they come.
        if (n > 0 || !isFirstShort) assert.deepEqual(values(setup), [String(n)], `${behindMs} ms behind, before the next`)
      }
      assert.equal(setup.alerts.length, isFirstShort ? 1 : 0)
      await clock.advance(120_000)
      assert.equal(setup.alerts.length, isFirstShort ? 2 : 1)
      await setup.stop()
    }
  }
})

test('a peer whose clock is set back is not told dead for pings that came right one after the other', async () => {
  const setup = await started()
  const { clock, metric, send } = setup
  await setup.network(other).start(AbortSignal.any([]))
  for (const [behindMs, pauseMs] of [[0, 8], [0, 8], [3_600_000, 15_000], [3_600_000, 15_000]] as const) {
    await send(other, metric({ expire: clock.now() + 30_000 - behindMs }))
    await clock.advance(pauseMs)
    assert.deepEqual(values(setup), ['v'])
  }
  assert.deepEqual(setup.alerts, [])
  await setup.stop()
})

test('an expired metric of a peer without connection is dropped with advice', async () => {
  const setup = await started()
  await setup.send(other, setup.metric({ expire: setup.clock.now() - 1 }))
  assert.deepEqual(values(setup), [])
  assert.match(setup.warnings[0] ?? '', /compare that peer's clock/)
  await setup.stop()
})

test('a wall clock that is set makes nobody dead who is heard by way of others only, and nobody alive who is dead', async () => {
  for (const jumpMs of [3_600_000, 60_000, 20_000, -20_000, -3_600_000, -30 * 86_400_000]) {
    const setup = await started()
    const { clock, metric, send } = setup
    await send(other, metric())
    await clock.advance(15_000)
    await send(other, metric())
    clock.setWallClock(clock.now() + jumpMs)
    const held: Array<ReturnType<typeof metric>> = []
    for (let i = 0; i < 40; i++) {
      await clock.advance(15_000)
      await send(other, metric({ expire: clock.now() - jumpMs + 30_000 }))
      assert.deepEqual(values(setup), ['v'])
      held.push(metric({ expire: clock.now() - jumpMs + 30_000 + i }))
    }
    assert.deepEqual(setup.alerts, [])
    await clock.advance(150_000)
    assert.deepEqual(setup.alerts, ['ping of other'])
    if (jumpMs > 0) {
      for (const old of held) await send(other, old)
      assert.deepEqual(values(setup), [], 'old words that were held back raise nobody')
    }
    await setup.stop()
  }
})
