import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { MetricWindow } from './metric-window.ts'

const metric = (peer: string, value = ''): Metric => ({ name: 'ping', peer: peer as PeerId, value, expire: 0, valid: true, weight: 0, partitionable: false, receivedAt: 0 })
const lifeMs = 30_000
/** Keeps one for {@link lifeMs}; false without room. */
const putInto = (window: MetricWindow) => (kept: Metric, now: number): boolean => window.put(kept, { signedExpire: now + lifeMs, sequence: undefined, lifeMs, now, isPreferred: () => false })

test('a peer that says the same again and again takes the room of one metric', () => {
  const window = new MetricWindow({ bytes: 10_000, bytesOfPeer: 2_000 })
  const put = putInto(window)
  for (let n = 0; n < 1_000; n++) for (const peer of ['a', 'b']) assert.ok(put(metric(peer, 'x'.repeat(n % 1_000)), n * 15_000))
})

test('whoever is forgotten gives all its room back', () => {
  const window = new MetricWindow({ bytes: 2_100 })
  const put = putInto(window)
  for (let n = 0; n < 100; n++) {
    // A full window is searched for the dead once a second.
    for (const [second, peer] of ['a', 'b', 'c', 'd'].entries()) assert.ok(put(metric(`${peer}${n}`), n * 60_000 + second * 1_000), 'the four before have expired, and make place')
    assert.equal(put(metric(`e${n}`), n * 60_000 + 5_000), false)
  }
  for (const { metric: { name, peer } } of window.all()) window.remove(name, peer)
  for (const peer of ['a', 'b', 'c', 'd']) assert.ok(put(metric(peer), 0))
})

test('a dead peer whose new metric finds no room keeps what is known of it', () => {
  const window = new MetricWindow({ bytes: 1_100 })
  const put = putInto(window)
  assert.ok(put(metric('dead', 'last word'), 0))
  assert.ok(put(metric('living'), 20_000))
  assert.equal(put(metric('dead', 'x'.repeat(200)), 40_000), false)
  assert.equal(window.get('ping', 'dead' as PeerId)?.metric.value, 'last word')
  assert.deepEqual(window.latest('ping', 40_000).map(({ peer }) => peer), ['living'])
})
