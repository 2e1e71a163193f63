import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MsgpackWriter } from '../codec/msgpack.ts'
import { MsgpackReader } from '../codec/msgpack-reader.ts'
import { ServiceIdValue, type ReplyHeader } from '../codec/peer-messages.ts'
import { cidFromBytes } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { rpcProtocol } from '../domain/version.ts'
import { systemClock } from '../platform/clock.ts'
import type { Network, PeerStream } from '../platform/network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { decodeReplyHeader, encodeReplyHeader, ValueReader } from './framing.ts'
import { methods } from './methods.ts'
import { assertUnharmed, informationOf, peerOf, pinInfoOf, rawCall, twoPeers, type TwoPeers } from './rpc.fixture.ts'

const writer = new MsgpackWriter()

function serviceId (service: string, method: string): Uint8Array {
  ServiceIdValue.write(writer, { service, method })
  return writer.finish()
}

const cidBytes = Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(32))
const cidValue = Uint8Array.of(0xda, 0, 36, ...cidBytes)

/** The header of an answer and how many bytes come behind it; undefined when the stream was reset. */
async function answerTo (peers: TwoPeers, writes: readonly Uint8Array[]): Promise<ReplyHeader | undefined> {
  const bytes = await rawCall(peers.caller, peers.server.self, writes, { isLeftOpen: true }).catch(() => undefined)
  if (bytes === undefined || bytes.length === 0) return undefined
  const reader = new MsgpackReader(bytes)
  reader.skip()
  return decodeReplyHeader(bytes.subarray(0, reader.at))
}

const deep = new Uint8Array(100_000).fill(0x91)
const status = serviceId('PinTracker', 'Status')

test('what is no call is refused with a reason, counted, told once and forgotten', async () => {
  const peers = await twoPeers(systemClock)
  const bad: Array<readonly [string, readonly Uint8Array[], RegExp]> = [
    ['no msgpack', [Uint8Array.of(0xc1)], /^error reading service ID/],
    ['another value', [Uint8Array.of(0x05)], /^error reading service ID/],
    ['endless nesting', [deep], /^error reading service ID/],
    ['a giant length', [Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff)], /^error reading service ID.*more than/],
    ['a giant count', [Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff), new Uint8Array(3000).fill(0xc0)], /^error reading service ID/],
    ['a long name', [serviceId('Cluster', 'x'.repeat(250))], /longer than 256/],
    ['no names', [Uint8Array.of(0x80)], /^rpc: can't find service $/],
    ['a name of ours', [serviceId('__proto__', 'toString')], /^rpc: can't find service __proto__$/],
    ['a method of ours', [serviceId('Cluster', 'constructor')], /^rpc: can't find method constructor$/],
    ['a giant argument', [status, Uint8Array.of(0xdb, 0x10, 0, 0, 0)], /^msgpack decode error \[pos 31\].*more than/],
    ['a nested argument', [status, deep], /^msgpack decode error/],
    ['a number for a CID', [status, Uint8Array.of(7)], /^msgpack decode error \[pos 32\]/],
    ['a bad filter', [serviceId('PinTracker', 'StatusAll'), Uint8Array.of(0xa1, 0x78)], /^msgpack decode error \[pos 36\]/],
    ['a bad block', [serviceId('IPFSConnector', 'BlockStream'), Uint8Array.of(0x81, 0xa1, 0x63, 0xa1, 0)], /^msgpack decode error/],
    ['a block without a CID', [serviceId('IPFSConnector', 'BlockStream'), Uint8Array.of(0x81, 0xa1, 0x64, 0xa1, 0)], /^msgpack decode error.*c: missing/],
  ]
  for (const [what, writes, text] of bad) {
    const header = await answerTo(peers, writes)
    assert.match(header?.error ?? 'nothing', text, what)
    assert.equal(header?.errorType, 1, what)
  }
  assert.deepEqual(peers.service.calls, [])
  assert.equal(peers.counters.get('ipfscluster_rpc_unreadable'), bad.length - 3)
  assert.equal(peers.counters.get('ipfscluster_rpc_refused'), 3)
  assert.equal(peers.warnings.length, 2, 'one line for each kind')
  assert.equal((await peers.calls.id(peers.server.self, {})).peername, 'served', 'it goes on')
  await peers.stop()
})

test('any bytes at all are answered or cut off, and nothing is left of them', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  peers.service.statuses = [[pinInfoOf(1, peers.server.self)]]
  const names = fc.constantFrom(serviceId('Cluster', 'ID'), status, serviceId('PinTracker', 'StatusAll'), serviceId('IPFSConnector', 'BlockStream'), serviceId('Cluster', 'PeerAdd'), new Uint8Array())
  await fc.assert(fc.asyncProperty(names, fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), fc.boolean(), async (name, chunks, isLeftOpen) => {
    const ended = rawCall(peers.caller, peers.server.self, [name, ...chunks], { isLeftOpen }).then(() => true, () => true)
    await clock.advance(11 * 60_000)
    assert.equal(await ended, true)
    assert.equal(clock.nextAt(), undefined)
  }), { numRuns: 400 })
  await assertUnharmed(peers, clock)
  await peers.stop()
})

test('whoever opens streams and says nothing has a share of the places, and only for a while', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const silent: PeerStream[] = []
  for (let i = 0; i < 2000; i++) silent.push(await peers.caller.open(peers.server.self, rpcProtocol, {}))
  const other = peers.networks.join(peerOf(9))
  await other.start(AbortSignal.timeout(1000))
  await clock.settle()
  const refused = answerTo(peers, [serviceId('Cluster', 'ID')])
  await clock.settle()
  assert.equal(await refused, undefined, 'beyond the refusals that wait, streams are just reset')
  assert.equal(silent.filter(stream => !stream.signal.aborted).length, 512 + 64)
  assert.equal(peers.counters.get('ipfscluster_rpc_refused'), 2001 - 512)
  const answered = rawCall(other, peers.server.self, [serviceId('Cluster', 'Version'), Uint8Array.of(0x80)], { isLeftOpen: true })
  await clock.settle()
  assert.ok((await answered).length > 20, 'others are answered meanwhile')
  await clock.advance(16_000)
  assert.ok(silent.every(stream => stream.signal.aborted))
  const after = peers.calls.version(peers.server.self, {})
  await clock.settle()
  assert.equal(await after, '1.1.6')
  assert.equal(peers.warnings.length, 2, peers.warnings.join('\n'))
  await peers.stop()
})

test('a refusal for want of places says so', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  for (let i = 0; i < 512; i++) await peers.caller.open(peers.server.self, rpcProtocol, {})
  const asked = peers.calls.version(peers.server.self, {}).catch((error: unknown) => error)
  await clock.settle()
  const error = await asked
  assert.ok(error instanceof ClusterError)
  assert.match(error.message, /^too many calls at once: this peer answers 512 of one caller$/)
  await peers.stop()
})

test('many large requests that come in part have a bound together, and their end makes room', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const start = Buffer.concat([serviceId('IPFSConnector', 'BlockStream'), Uint8Array.of(0x81, 0xa1, 0x64, 0xdb, 0, 0x3f, 0xff, 0xff), new Uint8Array(4_000_000)])
  const streams: PeerStream[] = []
  const open = async (): Promise<PeerStream> => {
    const stream = await peers.caller.open(peers.server.self, rpcProtocol, {})
    stream.write(start).catch(() => {})
    streams.push(stream)
    return stream
  }
  for (let i = 0; i < 80; i++) await open()
  await clock.settle()
  await clock.advance(11_000)
  assert.equal(streams.filter(({ signal }) => !signal.aborted).length, Math.floor(256 * 1024 * 1024 / 4_000_000))
  streams[0]?.reset()
  await clock.settle()
  const another = await open()
  await clock.advance(11_000)
  assert.equal(another.signal.aborted, false)
  await peers.stop()
})

test('a caller that does not read its answer is given up, and the source of it is stopped', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const batch = Array.from({ length: 500 }, (_, number) => pinInfoOf(number, peers.server.self))
  let given = 0
  let isStopped = false
  peers.service.statusAll = async function * () {
    try {
      for (;;) {
        given++
        yield batch
      }
    } finally {
      isStopped = true
    }
  }
  const stream = await peers.caller.open(peers.server.self, rpcProtocol, {})
  await stream.write(Buffer.concat([serviceId('PinTracker', 'StatusAll'), Uint8Array.of(0)]))
  await clock.advance(60_000)
  assert.ok(given < 20, `${given} batches were made for nobody`)
  assert.equal(isStopped, false)
  await clock.advance(61_000)
  assert.equal(isStopped, true)
  assert.ok(stream.signal.aborted)
  await peers.stop()
})

test('an upload that stops is given up after a while', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  const stream = await peers.caller.open(peers.server.self, rpcProtocol, {})
  await stream.write(serviceId('IPFSConnector', 'BlockStream'))
  await clock.advance(9 * 60_000)
  assert.equal(stream.signal.aborted, false)
  await clock.advance(2 * 60_000)
  assert.equal(stream.signal.aborted, true)
  await peers.stop()
})

test('what follows a lone request is thrown away up to a limit', async () => {
  const peers = await twoPeers(systemClock)
  peers.service.isWaiting = true
  assert.equal(await answerTo(peers, [status, cidValue, ...Array.from({ length: 20 }, () => new Uint8Array(10_000))]), undefined)
  assert.equal(peers.service.cancelled, 1)
  assert.equal(peers.counters.get('ipfscluster_rpc_unreadable'), 1)
  await peers.stop()
})

/** Serves a peer that answers every call as told. */
async function badPeer (peers: TwoPeers, answer: (stream: PeerStream) => Promise<void>): Promise<Network> {
  const network = peers.networks.join(peerOf(66))
  await network.start(AbortSignal.timeout(1000))
  network.handle(rpcProtocol, stream => { answer(stream).catch(() => {}) })
  return network
}

const plain = encodeReplyHeader({ service: 'Cluster', method: 'ID' }, false)

test('an answer that cannot be read is an error that names the peer, told once', async () => {
  const peers = await twoPeers(systemClock)
  const answers = [Uint8Array.of(0xc1), deep, Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff), Buffer.concat([plain, Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff)]), Buffer.concat([plain, Uint8Array.of(1)])]
  let answer: Uint8Array = plain
  const bad = await badPeer(peers, async stream => {
    await stream.write(answer)
    await stream.closeWrite()
  })
  for (answer of answers) {
    await assert.rejects(peers.calls.id(bad.self, {}), { code: 'INVALID_WIRE_DATA' })
    await assert.rejects(Array.fromAsync(peers.calls.statusAll(bad.self, 0, {})), { code: 'INVALID_WIRE_DATA', message: new RegExp(`^peer ${bad.self} answered PinTracker.StatusAll with what cannot be read`) })
  }
  assert.equal(peers.warnings.length, 1)
  assert.equal(peers.counters.get('ipfscluster_rpc_unreadable_answers'), 2 * answers.length)
  await peers.stop()
})

test('any answer at all ends a call, with a value or an error', async () => {
  const clock = virtualClock()
  const peers = await twoPeers(clock)
  let chunks: readonly Uint8Array[] = []
  let isClosed = false
  const bad = await badPeer(peers, async stream => {
    for (const chunk of chunks) await stream.write(chunk)
    if (isClosed) await stream.closeWrite()
  })
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), fc.boolean(), async (hasHeader, rest, closes) => {
    chunks = hasHeader ? [plain, ...rest] : rest
    isClosed = closes
    const ended = [peers.calls.id(bad.self, {}), Array.fromAsync(peers.calls.statusAll(bad.self, 0, {})), Array.fromAsync(peers.calls.recoverAll(bad.self, {}))]
      .map(call => call.then(() => 'done', (error: unknown) => error instanceof ClusterError ? 'done' : String(error)))
    await clock.advance(25 * 3_600_000)
    assert.deepEqual(await Promise.all(ended), ['done', 'done', 'done'])
    assert.equal(clock.nextAt(), undefined)
  }), { numRuns: 300 })
  await peers.stop()
})

const peerValue = [0xda, 0, 38, 0, 0x24, 8, 1, 0x12, 0x20, ...new Uint8Array(32)]
/** An ID, which is a status of a pin as well: fields that a reader does not know are skipped. */
const idAndStatus = Uint8Array.of(0x83, 0xa1, 0x63, ...cidValue, 0xa1, 0x69, ...peerValue, 0xa1, 0x70, ...peerValue)

test('replies without end cost what the reader takes, and lists are cut', async () => {
  const peers = await twoPeers(systemClock)
  let sent = 0
  const reply = Buffer.concat([plain, idAndStatus])
  const many = Buffer.concat(Array.from({ length: 500 }, () => reply))
  const bad = await badPeer(peers, async stream => {
    for (;;) {
      await stream.write(many)
      sent++
    }
  })
  await assert.rejects(peers.calls.members(bad.self, {}), { code: 'TOO_LARGE' })
  sent = 0
  for await (const info of peers.calls.recoverAll(bad.self, {})) {
    assert.equal(info.cid, cidFromBytes(cidBytes))
    break
  }
  assert.ok(sent < 50, `${sent} writes for one value`)
  await peers.stop()
})

test('what a peer tells of its members is not held beyond what is needed, and has a limit', async () => {
  const peers = await twoPeers(systemClock)
  const name = 'x'.repeat(1024 * 1024)
  let sent = 0
  const writer = new MsgpackWriter()
  methods.members.reply.write(writer, { ...informationOf(peerOf(5), name), addresses: Array.from({ length: 100 }, (_, n) => `/ip4/127.0.0.1/tcp/${n}` as Multiaddress) })
  const reply = Buffer.concat([plain, writer.finish()])
  const bad = await badPeer(peers, async stream => {
    for (;;) {
      await stream.write(reply)
      sent++
    }
  })
  await assert.rejects(peers.calls.members(bad.self, {}), { code: 'TOO_LARGE' })
  assert.ok(sent < 50, `${sent} MiB were taken`)
  await peers.stop()
})

test('a reader of values takes any pieces of any bytes without harm', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), fc.integer({ min: 1, max: 100 }), async (chunks, maxBytes) => {
    const reader = new ValueReader({ incoming: (async function * () { yield * chunks })() })
    let taken = 0
    try {
      for (let value = await reader.next(maxBytes); value !== undefined; value = await reader.next(maxBytes)) {
        assert.ok(value.length > 0 && value.length <= maxBytes)
        taken += value.length
        assert.equal(reader.position, taken)
        const again = new MsgpackReader(value)
        again.skip()
        assert.ok(again.done)
      }
      assert.equal(taken, chunks.reduce((sum, chunk) => sum + chunk.length, 0))
    } catch (error) {
      assert.ok(error instanceof ClusterError && (error.code === 'INVALID_WIRE_DATA' || error.code === 'TOO_LARGE'), String(error))
    }
  }), { numRuns: 2000 })
})
