import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MsgpackWriter } from '../codec/msgpack.ts'
import { ServiceIdValue } from '../codec/peer-messages.ts'
import { rpcProtocol } from '../domain/version.ts'
import { systemClock } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { decodeReplyHeader, encodeReplyHeader, ValueReader } from './framing.ts'
import { methods, type MethodName } from './methods.ts'
import { blockOf, cidOf, informationOf, peerOf, pinInfoOf, rawCall, twoPeers } from './rpc.fixture.ts'

/*
 * The end of a stream (spec/wire.md 6.6): Go sends call, arguments and half-close in one breath,
 * so all of it may be there before anybody looks, cut anywhere.
 */

const writer = new MsgpackWriter()

/** The bytes of a whole call. */
function callOf (name: MethodName, requests: readonly unknown[]): Uint8Array {
  const { service, method, request } = methods[name]
  ServiceIdValue.write(writer, { service, method })
  for (const value of requests) (request.write as (to: MsgpackWriter, value: unknown) => void)(writer, value)
  return writer.finish()
}

function cut (bytes: Uint8Array, sizeBytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / sizeBytes) }, (_, place) => bytes.slice(place * sizeBytes, (place + 1) * sizeBytes))
}

const streamed = [
  ['idStream', [], 2],
  ['members', [], 4],
  ['recoverAll', [], 4],
  ['statusAll', [0], 6],
  ['putBlocks', [1, 40, 262_144].map(size => ({ ...blockOf(new Uint8Array(size)), size })), 0],
] as const

test('a stream whose call, requests and end come at once is answered to its end, however it is cut', async () => {
  const peers = await twoPeers(systemClock)
  peers.service.statuses = [[pinInfoOf(1, peerOf(2)), pinInfoOf(2, peerOf(2))], [pinInfoOf(3, peerOf(2))]]
  for (const [name, requests, values] of streamed) {
    const bytes = callOf(name, requests)
    for (const sizeBytes of [bytes.length, 65_536, ...bytes.length < 1000 ? [1, 7] : []]) {
      const answer = new ValueReader({ incoming: (async function * () { yield await rawCall(peers.caller, peers.server.self, cut(bytes, sizeBytes)) })() })
      let count = 0
      while (await answer.next(1e6) !== undefined) count++
      assert.equal(count, values, `${name} in pieces of ${sizeBytes}`)
    }
  }
  assert.equal(peers.service.blocks.length, 3 * 2, 'all blocks, each time')
  assert.deepEqual(peers.warnings, [])
  await peers.stop()
})

test('the end of the stream may come long after the requests, and before the reader looks', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const stream = await peers.caller.open(peers.server.self, rpcProtocol, {})
  await stream.write(callOf('putBlocks', [{ ...blockOf(new Uint8Array(10)), size: 10 }]))
  await clock.advance(60_000)
  assert.equal(peers.service.blocks.length, 1)
  assert.deepEqual(peers.service.calls, [], 'the service waits for more blocks')
  await stream.closeWrite()
  await clock.settle()
  assert.deepEqual(peers.service.calls, ['putBlocks'])
  assert.deepEqual(await Array.fromAsync(stream.incoming), [])
  await peers.stop()
})

test('a unary call that is half-closed before its answer is cancelled, as with the reference', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  peers.service.isWaiting = true
  const stream = await peers.caller.open(peers.server.self, rpcProtocol, {})
  await stream.write(callOf('status', [cidOf(1)]))
  await clock.settle()
  assert.equal(peers.service.cancelled, 0)
  await stream.closeWrite()
  await clock.settle()
  assert.equal(peers.service.cancelled, 1)
  assert.ok(stream.signal.aborted)
  await peers.stop()
})

test('our unary call closes its side when it has the answer, not before, and leaves nothing open', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const other = peers.networks.join(peerOf(9))
  await other.start(AbortSignal.timeout(1000))
  let isClosed = false
  let closedBeforeAnswer: boolean | undefined
  other.handle(rpcProtocol, stream => {
    void (async () => {
      const reader = new ValueReader(stream)
      await reader.next(1000)
      await reader.next(1000)
      void reader.drain(0).then(() => { isClosed = true })
      clock.after(1000, () => {
        closedBeforeAnswer = isClosed
        methods.id.reply.write(writer, informationOf(other.self, 'late'))
        void stream.write(Buffer.concat([encodeReplyHeader({ service: 'Cluster', method: 'ID' }, false), writer.finish()])).then(() => stream.closeWrite())
      })
    })()
  })
  const asked = peers.calls.id(other.self, {})
  await clock.advance(1000)
  assert.equal((await asked).peername, 'late')
  await clock.settle()
  assert.equal(closedBeforeAnswer, false)
  assert.equal(isClosed, true)
  assert.equal(clock.nextAt(), undefined, 'no timer waits for the stream')
  await peers.stop()
})

test('a stream that ends without an answer, or within one, is no answer', async () => {
  const peers = await twoPeers(systemClock)
  const other = peers.networks.join(peerOf(9))
  await other.start(AbortSignal.timeout(1000))
  const header = encodeReplyHeader({ service: 'Cluster', method: 'ID' }, false)
  const answers: Array<readonly [Uint8Array, string, string]> = [
    [new Uint8Array(), 'PEER_UNREACHABLE', 'done'],
    [header, 'PEER_UNREACHABLE', 'PEER_UNREACHABLE'],
    [header.subarray(0, 10), 'INVALID_WIRE_DATA', 'INVALID_WIRE_DATA'],
    [Buffer.concat([header, Uint8Array.of(0x81)]), 'INVALID_WIRE_DATA', 'INVALID_WIRE_DATA'],
  ]
  for (const [bytes, unary, streaming] of answers) {
    const stop = other.handle(rpcProtocol, stream => { void stream.write(bytes).then(() => stream.closeWrite()) })
    const outcome = (call: Promise<unknown>): Promise<string> => call.then(() => 'done', (error: { code: string }) => error.code)
    assert.equal(await outcome(peers.calls.id(other.self, {})), unary, `${bytes.length} bytes`)
    assert.equal(await outcome(peers.calls.members(other.self, {})), streaming, `${bytes.length} bytes`)
    stop()
  }
  assert.equal(decodeReplyHeader(header).error, '')
  await peers.stop()
})
