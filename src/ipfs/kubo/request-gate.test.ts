import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../platform/logger.ts'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import { RequestGate } from './request-gate.ts'

interface Attempt { isSettled: boolean, ran: boolean, run (): void }

function attempt (): Attempt {
  return { isSettled: false, ran: false, run () { this.ran = true } }
}

function closedGate (): { clock: VirtualClock, gate: RequestGate } {
  const clock = virtualClock()
  const gate = new RequestGate(clock, silentLogger)
  for (let i = 0; i < 11; i++) gate.failed()
  return { clock, gate }
}

test('ten failures in a row change nothing', () => {
  const gate = new RequestGate(virtualClock(), silentLogger)
  for (let i = 0; i < 10; i++) gate.failed()
  const request = attempt()
  assert.equal(gate.enter(request), true)
  assert.equal(request.ran, true)
})

test('after more of them one request a second is let through', async () => {
  const { clock, gate } = closedGate()
  const requests = Array.from({ length: 5 }, attempt)
  for (const request of requests) gate.enter(request)
  const ran = (): number => requests.filter(request => request.ran).length
  await clock.advance(999)
  assert.equal(ran(), 0)
  await clock.advance(1)
  assert.equal(ran(), 1)
  await clock.advance(2_000)
  assert.equal(ran(), 3)
  assert.deepEqual(requests.map(request => request.ran), [true, true, true, false, false], 'in their order')
})

test('a success frees all that wait', async () => {
  const { clock, gate } = closedGate()
  const requests = Array.from({ length: 5 }, attempt)
  for (const request of requests) gate.enter(request)
  gate.succeeded()
  assert.ok(requests.every(request => request.ran))
  gate.failed()
  const next = attempt()
  gate.enter(next)
  assert.equal(next.ran, true, 'failures are counted anew')
  await clock.advance(10_000)
})

test('requests that ended while they waited take no turn', async () => {
  const { clock, gate } = closedGate()
  const requests = Array.from({ length: 4 }, attempt)
  for (const request of requests) gate.enter(request)
  for (const request of requests.slice(0, 3)) request.isSettled = true
  await clock.advance(1_000)
  assert.deepEqual(requests.map(request => request.ran), [false, false, false, true])
})

test('so many wait and no more, unless some of them have ended', () => {
  const { gate } = closedGate()
  const requests = Array.from({ length: 10_000 }, attempt)
  for (const request of requests) assert.equal(gate.enter(request), true)
  assert.equal(gate.enter(attempt()), false)
  for (const request of requests.slice(0, 7)) request.isSettled = true
  assert.equal(gate.enter(attempt()), true)
})
