import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerId } from '../../domain/peer.ts'
import { judge } from './deaths.ts'

const id = (n: number): PeerId => `peer ${n}` as PeerId
/** Peers that were heard so many seconds ago, with pings that count for 30 s unless said otherwise. */
const heard = (silences: readonly number[], lifeS = 30) => silences.map((silentS, n) => ({ peer: id(n), silentMs: silentS * 1_000, expiredMs: Math.max(0, silentS - lifeS) * 1_000 }))
const gone = (silences: readonly number[], lifeS?: number) => judge({ heard: heard(silences, lifeS), unheard: [] }).gone.map(peer => Number(peer.slice(5)))

test('fifty seconds of silence are a death, and twenty after a ping that counted long', () => {
  assert.deepEqual(gone([49, 0, 0]), [])
  assert.deepEqual(gone([50, 0, 0]), [0])
  assert.deepEqual(gone([49, 0, 0], 2), [])
  assert.deepEqual(gone([139, 0, 0], 120), [])
  assert.deepEqual(gone([140, 0, 0], 120), [0])
})

test('an operator may wait longer or shorter', () => {
  const goneAfter = (graceS: number, silences: readonly number[], lifeS?: number) => judge({ heard: heard(silences, lifeS), unheard: [] }, graceS * 1_000).gone
  assert.deepEqual([goneAfter(5, [6, 0, 0], 2), goneAfter(5, [7, 0, 0], 2)], [[], [id(0)]])
  assert.deepEqual([goneAfter(3_600, [3_599, 0, 0]), goneAfter(3_600, [3_600, 0, 0])], [[], [id(0)]])
  assert.deepEqual([goneAfter(3_600, [3_599, 3_599, 3_599, 0]), goneAfter(5, [599, 599, 599, 0], 2)], [[], []])
})

test('it tells when the next one is due', () => {
  assert.equal(judge({ heard: heard([35, 42, 0, 0]), unheard: [] }).nextMs, 8_000)
  assert.equal(judge({ heard: heard([0, 10]), unheard: [] }).nextMs, Infinity)
})

test('half of the peers may die; of more it takes ten minutes to believe', () => {
  assert.deepEqual(gone([60, 60, 0]), [0, 1])
  assert.deepEqual(gone([60, 60, 60, 0]), [])
  assert.deepEqual(gone([600, 600, 600, 0]), [0, 1, 2])
})

test('with one other peer its death counts; without several it is this one that is cut off', () => {
  assert.deepEqual(gone([60]), [0])
  assert.deepEqual(gone([6_000, 6_000]), [])
  assert.equal(judge({ heard: heard([6_000, 6_000]), unheard: [] }).isAlone, true)
})

test('holders that were never heard get time to start, those known as gone before do not', () => {
  const unheard = (missedS: number, wasGone: boolean) => judge({ heard: heard([0, 0]), unheard: [{ peer: id(9), missedMs: missedS * 1_000, wasGone }] }).gone
  assert.deepEqual([unheard(299, false), unheard(300, false)], [[], [id(9)]])
  assert.deepEqual([unheard(49, true), unheard(50, true)], [[], [id(9)]])
})

test('nobody who is heard is taken for gone', () => {
  fc.assert(fc.property(fc.array(fc.nat(2_000)), fc.array(fc.record({ missedMs: fc.nat(1e6), wasGone: fc.boolean() })), (silences, unheard) => {
    const sightings = { heard: heard(silences), unheard: unheard.map((one, n) => ({ peer: id(1_000 + n), ...one })) }
    const { gone, nextMs } = judge(sightings)
    for (const { peer, silentMs } of sightings.heard) if (gone.includes(peer)) assert.ok(silentMs >= 50_000)
    assert.equal(new Set(gone).size, gone.length)
    assert.ok(nextMs > 0)
  }))
})
