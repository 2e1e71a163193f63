import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MsgpackWriter } from '../codec/msgpack.ts'
import { CidValue, NothingValue } from '../codec/peer-messages.ts'
import type { ClusterError } from '../domain/errors.ts'
import type { PeerStream } from '../platform/network.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import { callsProtocol, decodeAnswerFrame, decodeCallFrame, maxCallNumber, writeCall, writeCancel, writeFailure, type AnswerFrame } from './channel-frames.ts'
import { ValueReader } from './framing.ts'
import { Refusal } from './permission.ts'
import { assertUnharmed, cidOf, informationOf, twoPeers, type TwoPeers } from './rpc.fixture.ts'

const nothing = { ...NothingValue, maxBytes: 1 }
const cid = { ...CidValue, maxBytes: 100 }
const writer = new MsgpackWriter()

function call (number: number, name: string, isOfPin = false): Uint8Array {
  const [service = '', method = ''] = name.split('.')
  if (isOfPin) writeCall(writer, number, { service, method }, cid, cidOf(number))
  else writeCall(writer, number, { service, method }, nothing, undefined)
  return writer.finish()
}

function cancel (number: number): Uint8Array {
  writeCancel(writer, number)
  return writer.finish()
}

/** A channel whose frames the test writes itself, and what comes back: answers without their values. */
async function rawChannel (peers: TwoPeers, clock: VirtualClock): Promise<{ readonly stream: PeerStream, readonly answers: AnswerFrame[], readonly isOver: () => boolean }> {
  const stream = await peers.caller.open(peers.server.self, callsProtocol, {})
  const answers: AnswerFrame[] = []
  let isOver = false
  void (async () => {
    const reader = new ValueReader(stream)
    for (let bytes = await reader.next(100_000); bytes !== undefined; bytes = await reader.next(100_000)) {
      const frame = decodeAnswerFrame(bytes)
      answers.push(frame)
      if (frame.failure === undefined) await reader.next(5_000_000)
    }
  })().catch(() => {}).finally(() => { isOver = true })
  await clock.settle()
  return { stream, answers, isOver: () => isOver }
}

function errorsOf (answers: readonly AnswerFrame[]): Array<readonly [number, string | undefined, number | undefined]> {
  return answers.map(({ number, failure }) => [number, failure?.error, failure?.errorType] as const)
}

test('frames are read as they were written', () => {
  const number = fc.integer({ min: 1, max: maxCallNumber })
  fc.assert(fc.property(number, fc.string({ maxLength: 100 }), fc.string({ maxLength: 100 }), (number, service, method) => {
    writeCall(writer, number, { service, method }, nothing, undefined)
    assert.deepEqual(decodeCallFrame(writer.finish().subarray(0, -1)), { number, serviceId: { service: toWellFormed(service), method: toWellFormed(method) } })
    assert.deepEqual(decodeCallFrame(cancel(number)), { number, serviceId: undefined })
  }))
  fc.assert(fc.property(number, fc.string({ maxLength: 300 }), fc.constantFrom(0, 1, 3), (number, text, errorType) => {
    writeFailure(writer, number, new Refusal(text, errorType as 0 | 1 | 3))
    const { failure, ...rest } = decodeAnswerFrame(writer.finish())
    assert.deepEqual([rest.number, failure?.error, failure?.errorType], [number, toWellFormed(text), errorType])
  }))
})

function toWellFormed (text: string): string { return new TextDecoder().decode(new TextEncoder().encode(text)) }

test('what a call may not do is told to it alone', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const { stream, answers } = await rawChannel(peers, clock)
  const writes = [
    call(1, 'No.Service'), call(2, 'Cluster.Nothing'), call(3, 'Cluster.Pins'), call(4, 'PinTracker.StatusAll'), call(5, 'Cluster.RepoGCLocal'),
    // Nothing where a CID belongs.
    call(6, 'PinTracker.Status'), call(7, 'PinTracker.Status', true), call(9, 'Cluster.Version'),
  ]
  for (const bytes of writes) await stream.write(bytes)
  await clock.settle()
  assert.deepEqual(errorsOf(answers).toSorted(([a], [b]) => a - b).map(([number, text, type]) => [number, text?.replace(/\[pos .*/, '…'), type]), [
    [1, "rpc: can't find service No", 1], [2, "rpc: can't find method Nothing", 1], [3, 'client does not have permissions to call Cluster.Pins', 3],
    [4, 'PinTracker.StatusAll needs a stream of its own', 1], [5, 'Cluster.RepoGCLocal needs a stream of its own', 1], [6, 'msgpack decode error …', 1],
    [7, undefined, undefined], [9, undefined, undefined],
  ])
  peers.distrusted.add(peers.caller.self)
  await stream.write(call(10, 'PinTracker.Status', true))
  await stream.write(call(11, 'Cluster.ID'))
  await clock.settle()
  assert.deepEqual(errorsOf(answers).slice(-2).toSorted(([a], [b]) => a - b), [[10, 'client does not have permissions to call PinTracker.Status', 3], [11, undefined, undefined]])
  assert.equal(peers.counters.get('ipfscluster_rpc_unreadable'), 1)
  assert.equal(peers.counters.get('ipfscluster_rpc_refused'), 6)
  assert.equal(peers.warnings.length, 2)
  await peers.stop()
})

test('a channel that breaks the rules is cut off, and its calls are ended', async () => {
  const rules: ReadonlyArray<readonly Uint8Array[]> = [
    [call(2, 'Cluster.ID'), call(2, 'Cluster.ID')], [call(2, 'Cluster.ID'), call(1, 'Cluster.ID')], [call(1, 'Cluster.ID'), Uint8Array.of(0xc1)],
    [call(1, 'Cluster.ID'), Uint8Array.of(0x92, 2, 3)], [call(1, 'Cluster.ID'), Uint8Array.of(0x91, 0)], [call(1, 'Cluster.ID'), call(2, `Cluster.${'x'.repeat(250)}`)],
    [call(1, 'Cluster.ID'), call(2, 'Cluster.ID').subarray(0, -1), Uint8Array.of(0xdb, 0x7f, 0, 0, 0)],
    [call(1, 'Cluster.ID'), call(2, 'No.Service').subarray(0, -1), Uint8Array.of(0xdb, 0x7f, 0, 0, 0)],
  ]
  for (const [i, writes] of rules.entries()) {
    const clock = virtualClock()
    const peers = await twoPeers(clock)
    peers.service.isWaiting = true
    const { stream, isOver } = await rawChannel(peers, clock)
    for (const bytes of writes) await stream.write(bytes).catch(() => {})
    await clock.settle()
    assert.equal(isOver(), true, `case ${i}`)
    assert.equal(stream.signal.aborted, true, `case ${i}`)
    assert.equal(peers.service.cancelled, 1, `case ${i}`)
    assert.equal(peers.counters.get('ipfscluster_rpc_unreadable'), 1, `case ${i}`)
    assert.equal(clock.nextAt(), undefined)
    await peers.stop()
  }
})

test('any bytes at all are answered or cut off, and nothing is left of them', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const piece = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(call(1, 'Cluster.ID'), call(2, 'PinTracker.Status', true), call(3, 'Cluster.Version'), cancel(1), call(5, 'PinTracker.StatusAll')))
  await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 6 }), fc.boolean(), async (pieces, isClosed) => {
    const { stream } = await rawChannel(peers, clock)
    for (const bytes of pieces) await stream.write(bytes).catch(() => {})
    if (isClosed) await stream.closeWrite().catch(() => {})
    await clock.advance(20_000)
    stream.reset()
    await clock.settle()
    assert.equal(clock.nextAt(), undefined)
  }), { numRuns: 400 })
  await assertUnharmed(peers, clock)
  await peers.stop()
})

test('half a call is waited for in vain for a while only, a silent channel for ever', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const idle = await rawChannel(peers, clock)
  const halves = [call(1, 'Cluster.ID').subarray(0, 3), call(1, 'Cluster.ID').subarray(0, -1)]
  const channels = await Promise.all(halves.map(() => rawChannel(peers, clock)))
  for (const [i, half] of halves.entries()) await channels[i]?.stream.write(half)
  await clock.advance(14_000)
  assert.deepEqual(channels.map(({ isOver }) => isOver()), [false, false])
  await clock.advance(2_000)
  assert.deepEqual(channels.map(({ isOver }) => isOver()), [true, true])
  await clock.advance(24 * 3_600_000)
  await idle.stream.write(call(1, 'Cluster.Version'))
  await clock.settle()
  assert.deepEqual(errorsOf(idle.answers), [[1, undefined, undefined]])
  await peers.stop()
})

test('calls that are cancelled end their work and are not answered; more than a caller may make at once are refused', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  peers.service.isWaiting = true
  const { stream, answers } = await rawChannel(peers, clock)
  for (let number = 1; number <= 600; number++) await stream.write(call(number, 'PinTracker.Status', true))
  await clock.settle()
  assert.equal(peers.service.calls.length, 512)
  assert.equal(answers.length, 88)
  assert.match(answers[0]?.failure?.error ?? '', /^too many calls at once/)
  for (let number = 1; number <= 512; number++) await stream.write(cancel(number))
  await clock.settle()
  assert.equal(peers.service.cancelled, 512)
  assert.equal(answers.length, 88, 'nobody is answered')
  peers.service.isWaiting = false
  await stream.write(call(601, 'PinTracker.Status', true))
  await clock.settle()
  assert.deepEqual(errorsOf(answers).at(-1), [601, undefined, undefined], 'their places are free')
  await peers.stop()
})

test('a caller that does not read makes the other peer stop reading, and is given up', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const large = { ...informationOf(peers.server.self, 'x'.repeat(100_000)) }
  let asked = 0
  peers.service.id = async () => { asked++; return large }
  const stream = await peers.caller.open(peers.server.self, callsProtocol, {})
  let isWriting = true
  const writing = (async () => { for (let number = 1; ; number++) await stream.write(call(number, 'Cluster.ID')) })().catch(() => { isWriting = false })
  await clock.advance(60_000)
  assert.ok(asked < 100, `${asked} calls are answered for nobody`)
  await clock.advance(61_000)
  await writing
  assert.equal(isWriting, false)
  assert.equal(stream.signal.aborted, true)
  assert.match(peers.warnings.join('\n'), /has taken nothing for 120 seconds/)
  await peers.stop()
})

test('an answer that is larger than the caller takes is told as an error, and the others come', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  peers.service.id = async () => informationOf(peers.server.self, 'x'.repeat(5_000_000))
  const [id, version] = [peers.calls.id(peers.server.self, {}).catch((error: unknown) => error), peers.calls.version(peers.server.self, {})]
  await clock.settle()
  assert.match((await id as ClusterError).message, /^the answer has more than/)
  assert.equal(await version, '1.1.6')
  await peers.stop()
})

test('the oldest of too many channels of one peer makes place', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const channels = []
  for (let n = 0; n < 6; n++) channels.push(await rawChannel(peers, clock))
  await clock.settle()
  assert.deepEqual(channels.map(({ isOver }) => isOver()), [true, true, false, false, false, false])
  await peers.stop()
})
