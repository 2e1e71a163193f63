import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { datastoreRest } from './datastore-rest.ts'

test('the datastore rests again and again, also when it could not, until the peer stops', async () => {
  const clock = virtualClock()
  let rests = 0
  const rest = async (): Promise<void> => { if (rests++ === 1) throw new Error('a full disk') }
  const resting = datastoreRest({ rest }, { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
  await resting.start(new AbortController().signal)
  await clock.advance(60_000)
  assert.ok(rests > 2)
  await resting.stop()
  const before = rests
  await clock.advance(60_000)
  assert.equal(rests, before)
  assert.equal(clock.nextAt(), undefined)
})
