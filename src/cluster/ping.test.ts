import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { pingMetric, readPing, recordPresence } from './ping.ts'

const [known, unknown] = ['12D3KooWKnown', '12D3KooWUnknown'] as const as readonly [PeerId, PeerId]

test('a peer that is connected to at the start is there, and what it has said of itself meanwhile stays', () => {
  const metrics = new Map<string, Metric>([[known, pingMetric(known, 'its name', { id: undefined, addresses: null, error: '' }, 1_000, 15_000)]])
  const monitor = { latest: () => [...metrics.values()], record: (metric: Metric) => { metrics.set(metric.peer, metric) } }
  for (const peer of [known, unknown]) recordPresence(monitor, peer, 1_000, 15_000)
  assert.deepEqual([known, unknown].map(peer => readPing(metrics.get(peer)).peername), ['its name', ''])
  assert.equal(metrics.get(unknown)?.expire, 31_000)
})
