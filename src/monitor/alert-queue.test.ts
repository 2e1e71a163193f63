import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Alert } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { AlertQueue } from './alert-queue.ts'

const alert = (n: number): Alert => ({ name: 'ping', peer: `peer ${n}` as PeerId, value: '', expire: 0, valid: true, weight: 0, partitionable: false, receivedAt: 0, triggeredAt: n })

test('while nobody reads, the last thousand wait', async () => {
  const queue = new AlertQueue()
  for (let n = 0; n < 1_500; n++) queue.push(alert(n))
  const reading = new AbortController()
  const read: number[] = []
  for await (const { triggeredAt } of queue.read(reading.signal)) {
    read.push(triggeredAt)
    if (triggeredAt === 1_499) reading.abort()
  }
  assert.deepEqual(read, Array.from({ length: 1_000 }, (_, n) => 500 + n))
})
