import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { unlessAborted, within } from './deadline.ts'
import { virtualClock } from './virtual-clock.ts'

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** Work that goes on whatever its signal says. */
function deaf () {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let given: AbortSignal | undefined
  const work = ({ signal }: { readonly signal: AbortSignal }): Promise<string> => {
    given = signal
    return promise
  }
  return { work, resolve, reject, hasBegun: () => given !== undefined, isAborted: () => given?.aborted === true }
}

test('work ends with its result or its own error, and nothing is left on the clock and on the signal that lives on', async () => {
  const clock = virtualClock()
  const { signal } = new AbortController()
  const begun = deaf()
  const running = within(clock, 1_000, { signal }, begun.work)
  assert.deepEqual([listeners(signal), clock.nextAt()], [1, clock.now() + 1_000])
  begun.resolve('done')
  assert.equal(await running, 'done')
  assert.deepEqual([listeners(signal), clock.nextAt(), begun.isAborted()], [0, undefined, false])
  await assert.rejects(within(clock, 1_000, { signal }, async () => { throw new Error('broken') }), { message: 'broken' })
  await assert.rejects(within(clock, 1_000, { signal }, () => { throw new Error('broken at once') }), { message: 'broken at once' })
  assert.deepEqual([listeners(signal), clock.nextAt()], [0, undefined])
})

test('work that takes too long is told so and not waited for, and what comes of it later disturbs nobody', async () => {
  const clock = virtualClock()
  const { signal } = new AbortController()
  const begun = deaf()
  const ended = assert.rejects(within(clock, 1_000, { signal }, begun.work), { code: 'TIMED_OUT', message: 'context deadline exceeded' })
  await clock.advance(999)
  assert.equal(begun.isAborted(), false)
  await clock.advance(1)
  await ended
  assert.deepEqual([begun.isAborted(), listeners(signal)], [true, 0])
  begun.reject(new Error('too late'))
  await clock.settle()
})

test('work ends with the signal of who wants it, by its reason', async () => {
  const clock = virtualClock()
  const controller = new AbortController()
  const begun = deaf()
  const ended = assert.rejects(within(clock, 1_000, { signal: controller.signal }, begun.work), { message: 'enough' })
  controller.abort(new Error('enough'))
  await ended
  assert.deepEqual([begun.isAborted(), listeners(controller.signal), clock.nextAt()], [true, 0, undefined])
  const never = deaf()
  await assert.rejects(within(clock, 1_000, { signal: controller.signal }, never.work), { message: 'enough' })
  assert.deepEqual([never.hasBegun(), clock.nextAt()], [false, undefined])
  // The signal ends while the work begins, which fails in the same moment.
  const late = new AbortController()
  await assert.rejects(within(clock, 1_000, { signal: late.signal }, () => {
    late.abort(new Error('enough'))
    throw new Error('broken')
  }), { message: 'broken' })
  await clock.settle()
})

test('who no longer waits for an answer ends alone: the others get it', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<string>()
  const [gone, patient] = [new AbortController(), new AbortController()]
  const first = unlessAborted(answer, gone.signal)
  const second = unlessAborted(answer, patient.signal)
  assert.equal(unlessAborted(answer, undefined), answer)
  gone.abort(new Error('enough'))
  await assert.rejects(first, { message: 'enough' })
  await assert.rejects(unlessAborted(answer, gone.signal), { message: 'enough' }, 'who had gone before it asked')
  resolve('done')
  assert.equal(await second, 'done')
  await virtualClock().settle()
  assert.deepEqual([listeners(gone.signal), listeners(patient.signal)], [0, 0])
})

test('an answer that fails fails for all that wait, and disturbs nobody when all have gone', async () => {
  const { signal } = new AbortController()
  await assert.rejects(unlessAborted(Promise.reject(new Error('broken')), signal), { message: 'broken' })
  const gone = AbortSignal.abort(new Error('enough'))
  await assert.rejects(unlessAborted(Promise.reject(new Error('broken')), gone), { message: 'enough' })
  await virtualClock().settle()
  assert.deepEqual([listeners(signal), listeners(gone)], [0, 0])
})
