import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { RoomSeekers } from './room-seekers.ts'

test('whoever seeks room finds it at once or when it is told of, and leaves nothing behind', async () => {
  const seekers = new RoomSeekers()
  const { signal } = new AbortController()
  let asked = 0
  await seekers.wait(() => { asked++; return true }, signal)
  seekers.tell()
  assert.equal(asked, 1, 'nobody is asked who has found it')
  let size = 2
  const found: number[] = []
  const waiting = [1, 2].map(most => seekers.wait(() => size <= most - 1, signal).then(() => { found.push(most) }))
  seekers.tell()
  await Promise.resolve()
  assert.deepEqual(found, [])
  size = 1
  seekers.tell()
  await waiting[1]
  size = 0
  seekers.tell()
  await waiting[0]
  assert.deepEqual(found, [2, 1])
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('whoever gives up while it waits, or before, is not kept waiting', async () => {
  const seekers = new RoomSeekers()
  const stop = new AbortController()
  let asked = 0
  const waiting = seekers.wait(() => { asked++; return false }, stop.signal)
  stop.abort()
  await assert.rejects(waiting, { code: 'CANCELLED' })
  await assert.rejects(seekers.wait(() => { asked++; return true }, stop.signal), { code: 'CANCELLED' })
  const before = asked
  seekers.tell()
  assert.equal(asked, before)
})
