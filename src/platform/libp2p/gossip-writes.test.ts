import assert from 'node:assert/strict'
import { test } from 'node:test'
import { virtualClock } from '../virtual-clock.ts'
import { GossipWrites, type GossipStream } from './gossip-writes.ts'

function scene () {
  const clock = virtualClock()
  const streams = new Map<string, GossipStream>()
  const writes = new GossipWrites(streams, clock)
  /** A stream to a peer, with what was written to it. */
  const open = (peer: string, failure?: Error): string[] => {
    const written: string[] = []
    streams.set(peer, {
      pushPrefixed: bytes => {
        if (failure !== undefined) throw failure
        written.push(Buffer.from(bytes.subarray()).toString())
      },
    })
    return written
  }
  const send = (peer: string, text: string): void => { streams.get(peer)?.pushPrefixed(Buffer.from(text)) }
  return { clock, writes, open, send }
}

test('what goes to a peer within a moment is written at once, in its order, and to each peer its own', async () => {
  const { clock, open, send } = scene()
  const [a, b] = [open('a'), open('b')]
  for (const text of ['1', '2', '3']) send('a', text)
  send('b', 'x')
  assert.deepEqual([a, b], [[], []])
  await clock.advance(10)
  assert.deepEqual([a, b], [['123'], ['x']])
  send('a', '4')
  await clock.advance(10)
  assert.deepEqual(a, ['123', '4'])
})

test('much is not held back, and does not pass what waits', async () => {
  const { clock, open, send } = scene()
  const written = open('a')
  send('a', 'first')
  send('a', 'x'.repeat(100_000))
  assert.deepEqual(written.map(({ length }) => length), [5, 100_000])
  for (let i = 0; i < 1_000; i++) send('a', 'y'.repeat(100))
  await clock.advance(10)
  assert.equal(written.join('').length, 5 + 100_000 + 100_000)
  assert.ok(written.every(({ length }) => length <= 100_000) && written.length < 10, `${written.length} writes`)
})

test('a stream that has ended takes nothing from others, and at the end all is written', async () => {
  const { clock, writes, open, send } = scene()
  open('a', new Error('closed'))
  const b = open('b')
  send('a', '1')
  send('b', '1')
  await clock.advance(10)
  assert.deepEqual(b, ['1'])
  send('b', '2')
  writes.flush()
  assert.deepEqual(b, ['1', '2'])
  assert.equal(clock.nextAt(), undefined)
})
