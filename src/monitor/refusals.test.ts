import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../domain/peer.ts'
import { silentLogger } from '../platform/logger.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { Refusals } from './refusals.ts'

const peer = 'a' as PeerId

test('each refusal is counted, and its sender told of once an hour, but not for a metric that comes late', async () => {
  const clock = virtualClock()
  const warnings: string[] = []
  let counted = 0
  const refusals = new Refusals(clock, { ...silentLogger, warn: (...told: unknown[]) => { warnings.push(String(told.at(-1))) } }, { add: amount => { counted += amount } })
  refusals.add(peer, 'older than the last one')
  assert.deepEqual(warnings, [])
  for (let n = 0; n < 5; n++) refusals.add(peer, 'unreadable')
  assert.equal(warnings.length, 1)
  await clock.advance(3_599_000)
  refusals.add(peer, 'unreadable')
  assert.equal(warnings.length, 1)
  await clock.advance(1_000)
  for (let n = 0; n < 5; n++) refusals.add(peer, 'too large')
  assert.equal(warnings.length, 2)
  assert.match(warnings[1] ?? '', /larger than any metric/)
  assert.equal(counted, 12)
})
