import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { admit, type Admitted, type Arrival } from './admission.ts'
import type { KeptMetric } from './metric-window.ts'

const from = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
const metric = (expire: number, name = 'ping'): Metric => ({ name, peer: from, value: 'v', expire, valid: true, weight: 0, partitionable: false, receivedAt: 0 })
/** One that came at 0 and says that it ends at 100,000. */
const kept: KeptMetric = { metric: metric(100_000), signedExpire: 100_000, sequence: undefined, deadline: 100_000, arrivedAt: 0, firstAt: 0, interval: 0, absence: 0, isDoubted: false, roundsExpired: 0 }
const arrival = (changes: Partial<Arrival>): Arrival => ({ metric: metric(110_000), from, sequence: undefined, now: 10_000, moment: 10_000, kept, ownLifeMs: 30_000, isConnected: () => true, ...changes })

/** How an arrival is kept. */
const admitted = (changes: Partial<Arrival>): Pick<Admitted, 'metric' | 'lifeMs'> | string => {
  const answer = admit(arrival(changes))
  return typeof answer === 'string' ? answer : { metric: answer.metric, lifeMs: answer.lifeMs }
}

test('messages without numbers: what ends a little earlier comes late, what ends much earlier comes from a clock that was set back', () => {
  assert.equal(admitted({ metric: metric(99_999) }), 'older than the last one')
  assert.equal(admitted({ metric: metric(40_000) }), 'older than the last one')
  assert.deepEqual(admitted({ metric: metric(39_999) }), { metric: metric(39_999), lifeMs: 29_999 })
  assert.equal(admitted({ metric: metric(39_999), isConnected: () => false }), 'older than the last one', 'it may be an old one that somebody held back')
  const rare = { ...kept, interval: 20_000 }
  assert.equal(admitted({ metric: metric(20_000), kept: rare }), 'older than the last one', 'four of its intervals')
})

test('what a connected peer says with a clock that was set back while it was down is a sign of its life, and changes nothing else', () => {
  const before = { ...kept, sequence: 9n, deadline: 15_000, interval: 15_000 }
  const said = { metric: { ...metric(40_000), value: 'another' }, sequence: 3n, kept: before }
  assert.deepEqual(admit(arrival(said)), { metric: metric(40_000), signedExpire: 100_000, sequence: 9n, lifeMs: 30_000, rhythm: { firstAt: 0, interval: 15_000, absence: 0 }, isDoubted: false })
  assert.equal(admit(arrival({ ...said, isConnected: () => false })), 'older than the last one')
  assert.equal(admit(arrival({ ...said, kept: { ...before, deadline: 40_000 } })), 'older than the last one')
})

test('of two that end at the same moment the later one counts', () => {
  assert.deepEqual(admitted({ metric: metric(100_000) }), { metric: metric(100_000), lifeMs: 90_000 })
})

test('of a peer whose clock is behind the metric is kept with the end that it has by the clock of this peer', () => {
  assert.deepEqual(admitted({ metric: metric(5_000), kept: undefined }), { metric: metric(130_000), lifeMs: 120_000 }, 'how often its metrics come is not known')
  // Each 15 seconds, and by the clock of this peer each is there for one second only.
  const short = { ...kept, signedExpire: 5_000, deadline: 20_000, interval: 15_000 }
  assert.deepEqual(admitted({ metric: metric(11_000), kept: short }), { metric: metric(22_000), lifeMs: 12_000 })
})
