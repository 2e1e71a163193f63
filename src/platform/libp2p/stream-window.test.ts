import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { spareWindowUpdates } from './stream-window.ts'

/** Header of a frame of yamux: version, type, two of flags. */
const windowUpdate = 1

/** Two muxers that are connected; `updates` are the frames by which the second one has told of new room. */
async function connected (t: TestContext): Promise<{ readonly out: Stream, readonly in: Stream, readonly updates: () => number }> {
  const factory = yamux()()
  const [a, b] = multiaddrConnectionPair()
  let updates = 0
  const send = b.send.bind(b)
  b.send = data => {
    // A frame that says of a stream that it was taken has flags.
    const [, type, ...flags] = data.subarray(0, 4)
    if (type === windowUpdate && flags.every(flag => flag === 0)) updates++
    return send(data)
  }
  const muxers = [factory.createStreamMuxer(a), factory.createStreamMuxer(b)] as [StreamMuxer, StreamMuxer]
  for (const muxer of muxers) spareWindowUpdates(muxer)
  t.after(() => { for (const end of [...muxers, a, b]) end.abort(new Error('the test has ended')) })
  const opened = new Promise<Stream>(resolve => { muxers[1].addEventListener('stream', ({ detail }) => { resolve(detail) }) })
  muxers[0].addEventListener('stream', () => {})
  const out = await muxers[0].createStream()
  return { out, in: await opened, updates: () => updates }
}

test('small messages are not answered with frames of the muxer, and many of them find room', async t => {
  const streams = await connected(t)
  let received = 0
  streams.in.addEventListener('message', ({ data }) => { received += data.byteLength })
  // Both sides know of the stream when each has sent something.
  streams.in.send(new Uint8Array(1))
  streams.out.send(new Uint8Array(1))
  const until = async (bytes: number): Promise<void> => { while (received < bytes) await new Promise(resolve => { setTimeout(resolve, 1) }) }
  await until(1)
  for (let i = 0; i < 100; i++) streams.out.send(new Uint8Array(1_000))
  await until(100_001)
  assert.equal(streams.updates(), 0)
  for (let i = 0; i < 2_000; i++) streams.out.send(new Uint8Array(1_000))
  await until(2_100_001)
  assert.ok(streams.updates() > 0 && streams.updates() < 20, `${streams.updates()} updates`)
})
