import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ClusterError } from '../domain/errors.ts'
import { rpcProtocol } from '../domain/version.ts'
import { systemClock } from '../platform/clock.ts'
import type { PeerStream } from '../platform/network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { callsProtocol } from './channel-frames.ts'
import { cidOf, peerOf, twoPeers } from './rpc.fixture.ts'

const server = peerOf(2)

function failureOf (call: Promise<unknown>): Promise<ClusterError> {
  return call.then(() => { throw new Error('it was answered') }, (error: unknown) => error as ClusterError)
}

test('all calls to a peer share one stream, and a slow one does not hold up the others', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const service = peers.service
  service.isWaiting = true
  const slow = failureOf(peers.calls.status(server, cidOf(1), {}))
  await clock.settle()
  service.isWaiting = false
  const quick = Promise.all(Array.from({ length: 200 }, (_, number) => peers.calls.recover(server, cidOf(number), {})))
  await clock.settle()
  assert.deepEqual((await quick).map(({ cid }) => cid), Array.from({ length: 200 }, (_, number) => cidOf(number)))
  assert.deepEqual(peers.opened, [callsProtocol])
  await clock.advance(15_000)
  assert.equal((await slow).code, 'TIMED_OUT')
  assert.equal(service.cancelled, 1)
  const after = peers.calls.version(server, {})
  await clock.settle()
  assert.equal(await after, '1.1.6')
  assert.deepEqual(peers.opened, [callsProtocol], 'one that is late alone costs the others nothing')
  await peers.stop()
})

test('a collection has a stream of its own: its answer may be large', async () => {
  const peers = await twoPeers(systemClock)
  await peers.calls.collectGarbage(server, {})
  await peers.calls.version(server, {})
  assert.deepEqual(peers.opened, [rpcProtocol, callsProtocol])
  await peers.stop()
})

test('a channel that breaks ends its calls and their work; the next call opens another', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const answered = peers.calls.version(server, {})
  await clock.settle()
  await answered
  peers.service.isWaiting = true
  const lost = failureOf(peers.calls.status(server, cidOf(1), {}))
  await clock.settle()
  await peers.server.stop()
  await clock.settle()
  const { code, message } = await lost
  assert.equal(code, 'PEER_UNREACHABLE')
  assert.match(message, /PinTracker\.Status/)
  assert.equal(peers.service.cancelled, 1)
  await peers.server.start(AbortSignal.timeout(1000))
  peers.service.isWaiting = false
  const again = peers.calls.version(server, {})
  await clock.settle()
  assert.equal(await again, '1.1.6')
  assert.deepEqual(peers.opened, [callsProtocol, callsProtocol])
  await peers.stop()
})

test('a peer whose channels end unanswered is called over streams for a while', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const end = peers.server.handle(callsProtocol, stream => { stream.reset() })
  const failed = failureOf(peers.calls.version(server, {}))
  await clock.settle()
  assert.equal((await failed).code, 'PEER_UNREACHABLE')
  const second = peers.calls.version(server, {})
  await clock.settle()
  assert.equal(await second, '1.1.6')
  assert.deepEqual(peers.opened, [callsProtocol, rpcProtocol])
  await clock.advance(60_000)
  const third = failureOf(peers.calls.version(server, {}))
  await clock.settle()
  assert.equal((await third).code, 'PEER_UNREACHABLE')
  assert.deepEqual(peers.opened, [callsProtocol, rpcProtocol, callsProtocol])
  end()
  await peers.stop()
})

test('a channel on which nothing at all comes back is left for another one', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const streams: PeerStream[] = []
  const end = peers.server.handle(callsProtocol, stream => { streams.push(stream) })
  const silent = failureOf(peers.calls.version(server, {}))
  await clock.advance(15_000)
  assert.equal((await silent).message, `peer ${server} did not answer Cluster.Version within 15 seconds`)
  assert.equal(streams[0]?.signal.aborted, true)
  const next = peers.calls.version(server, {})
  await clock.settle()
  assert.equal(await next, '1.1.6')
  end()
  await peers.stop()
  await clock.settle()
  assert.equal(clock.nextAt(), undefined, 'no timer is left')
})

test('a call that is given up before its channel is open is not sent', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const controller = new AbortController()
  const asked = failureOf(peers.calls.status(server, cidOf(1), { signal: controller.signal }))
  controller.abort(new Error('enough'))
  await clock.settle()
  assert.equal((await asked).code, 'CANCELLED')
  assert.deepEqual(peers.service.calls, [])
  await peers.stop()
})

test('any answer at all on a channel ends a call, with a value or an error, and leaves nothing', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const frame = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(Uint8Array.of(0x91, 1), Uint8Array.of(0x91, 2), Uint8Array.of(0x93, 1, 3, 0xa1, 0x78), Uint8Array.of(0x81, 0xa1, 0x76, 0xa1, 0x31), Uint8Array.of(0x91, 0)))
  await fc.assert(fc.asyncProperty(fc.array(frame, { maxLength: 4 }), fc.boolean(), async (frames, isClosed) => {
    const end = peers.server.handle(callsProtocol, stream => {
      void (async () => {
        for (const bytes of frames) await stream.write(bytes)
        if (isClosed) await stream.closeWrite()
      })().catch(() => {})
    })
    const asked = peers.calls.version(server, {}).then(version => typeof version, (error: ClusterError) => error.code)
    await clock.advance(16_000)
    assert.ok(['string', 'TIMED_OUT', 'PEER_UNREACHABLE', 'INVALID_WIRE_DATA', 'NOT_AUTHORIZED', 'PEER_ANSWER'].includes(await asked), await asked)
    end()
    await clock.advance(60_000)
    assert.equal(clock.nextAt(), undefined)
  }), { numRuns: 300 })
  await peers.stop()
})

test('a call whose channel ends in the moment in which it opens fails at once', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const open = peers.caller.open
  peers.caller.open = async (...call) => {
    const stream = await open(...call)
    stream.reset()
    return stream
  }
  const failed = failureOf(peers.calls.version(server, {}))
  await clock.settle()
  assert.equal((await failed).code, 'PEER_UNREACHABLE')
  assert.equal(clock.nextAt(), undefined)
  await peers.stop()
})

test('whoever gives a call up is told why, before it is made and after', async () => {
  const cases = [
    [new DOMException('the time is over', 'TimeoutError'), 'TIMED_OUT'], [new DOMException('enough', 'AbortError'), 'CANCELLED'],
    [new Error('enough'), 'CANCELLED'], [new ClusterError('QUEUE_FULL', 'too much'), 'QUEUE_FULL'],
  ] as const
  for (const knowsChannels of [false, true]) {
    const clock = virtualClock()
    const peers = await twoPeers(clock, { knowsChannels })
    peers.service.isWaiting = true
    for (const [reason, code] of cases) {
      const controller = new AbortController()
      const asked = failureOf(peers.calls.status(server, cidOf(1), { signal: controller.signal }))
      await clock.settle()
      controller.abort(reason)
      await clock.settle()
      const never = failureOf(peers.calls.status(server, cidOf(1), { signal: controller.signal }))
      await clock.settle()
      assert.deepEqual([(await asked).code, (await never).code], [code, code])
    }
    assert.equal(peers.service.calls.length, cases.length)
    await peers.stop()
  }
})
