import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { untilAborted } from './until-aborted.ts'

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

test('items come as they are, and nothing is left on the signal at their end, be it an error', async () => {
  const controller = new AbortController()
  assert.deepEqual(await Array.fromAsync(untilAborted((async function * () { yield * [1, 2, 3] })(), controller.signal)), [1, 2, 3])
  assert.equal(listeners(controller.signal), 0)
  const failing = untilAborted((async function * () { yield 1; throw new Error('broken') })(), controller.signal)
  await assert.rejects(Array.fromAsync(failing), { message: 'broken' })
  assert.equal(listeners(controller.signal), 0)
  for await (const _ of untilAborted((async function * () { yield * [1, 2, 3] })(), controller.signal)) break
  assert.equal(listeners(controller.signal), 0)
})

test('a read that waits ends with the signal, and so does every later one', async () => {
  const controller = new AbortController()
  let returned = 0
  const silent: AsyncIterable<number> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: () => { returned++; return new Promise(() => {}) } }) }
  const iterator = untilAborted(silent, controller.signal)[Symbol.asyncIterator]()
  const reading = iterator.next()
  controller.abort(new Error('enough'))
  await assert.rejects(reading, { code: 'CANCELLED' })
  await assert.rejects(iterator.next(), { code: 'CANCELLED' })
  assert.deepEqual(await iterator.return?.(), { done: true, value: undefined })
  assert.deepEqual([returned, listeners(controller.signal)], [1, 0])
})

test('without a signal the source is handed on', () => {
  const source = (async function * () {})()
  assert.equal(untilAborted(source, undefined), source)
})
