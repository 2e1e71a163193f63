import assert from 'node:assert/strict'
import { test } from 'node:test'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import { BurstPace } from './burst-pace.ts'

interface Rest {
  readonly everyMs: number
  /** Changes come up to this moment. */
  readonly untilMs: number
  readonly isEnough?: () => boolean
  readonly signal?: AbortSignal
}

/** How long the rest after a delta takes while changes come. */
async function restOf ({ everyMs, untilMs, isEnough = () => false, signal = new AbortController().signal }: Rest, clock: VirtualClock = virtualClock()): Promise<number> {
  const pace = new BurstPace(clock)
  const come = (): void => {
    pace.came()
    if (clock.monotonic() + everyMs <= untilMs) clock.after(everyMs, come)
  }
  if (untilMs >= 0) come()
  let tookMs = NaN
  const rest = pace.rest(isEnough, signal).then(() => { tookMs = clock.monotonic() })
  await clock.advance(10_000)
  await rest
  return tookMs
}

test('without a burst the next delta may follow after the least time', async () => {
  assert.equal(await restOf({ everyMs: 1, untilMs: -1 }), 50)
  assert.equal(await restOf({ everyMs: 40, untilMs: 0 }), 50)
})

test('changes of a burst gather, for as long as others may wait', async () => {
  assert.equal(await restOf({ everyMs: 5, untilMs: 5_000 }), 100)
})

test('the last changes of a burst go when no more have come for a moment', async () => {
  assert.equal(await restOf({ everyMs: 10, untilMs: 60 }), 80)
})

test('when enough have gathered the delta is made', async () => {
  const clock = virtualClock()
  const tookMs = await restOf({ everyMs: 5, untilMs: 5_000, isEnough: () => clock.monotonic() >= 60 }, clock)
  assert.ok(tookMs > 50 && tookMs < 100, `${tookMs} ms`)
})

test('a peer that stops does not wait', async () => {
  const clock = virtualClock()
  const stopping = new AbortController()
  clock.after(70, () => { stopping.abort() })
  assert.equal(await restOf({ everyMs: 5, untilMs: 5_000, signal: stopping.signal }, clock), 70)
})
