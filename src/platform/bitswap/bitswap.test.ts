import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { peerIdFromBytes } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Loggers } from '../logger.ts'
import { MemoryNetworks } from '../memory-network.ts'
import { noMetrics } from '../metrics.ts'
import type { Network, PeerStream } from '../network.ts'
import { systemRandom } from '../random.ts'
import { virtualClock } from '../virtual-clock.ts'
import { Bitswap } from './bitswap.ts'
import { frame, readFrames } from './frames.ts'
import { decodeMessage, encodeMessage, type BitswapMessage } from './message.ts'
import { bitswapProtocol } from './outbox.ts'

const signal = new AbortController().signal

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function block (text: string | Uint8Array): { bytes: Uint8Array, cid: CID } {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return { bytes, cid: CID.createV1(0x70, createDigest(0x12, createHash('sha256').update(bytes).digest())) }
}

interface Peer { readonly self: PeerId, readonly network: Network, readonly bitswap: Bitswap, readonly blocks: Map<string, Uint8Array>, readonly log: string[], readonly refused: () => number }

async function peers (count: number): Promise<{ clock: ReturnType<typeof virtualClock>, all: Peer[] }> {
  const clock = virtualClock()
  const networks = new MemoryNetworks(clock)
  const all: Peer[] = []
  for (let i = 0; i < count; i++) {
    const self = peerIdFromBytes(Uint8Array.of(0x12, 32, ...new Uint8Array(32).fill(i + 1)))
    const network = networks.join(self)
    const blocks = new Map<string, Uint8Array>()
    const log: string[] = []
    let refused = 0
    const logger = { debug: () => {}, info: () => {}, warn: (first: object | string, text?: string) => { log.push(text ?? String(first)) }, error: () => {} }
    const loggers: Loggers = { component: () => logger }
    const bitswap = new Bitswap({ network, source: async cid => blocks.get(cid.toString()), platform: { clock, random: systemRandom, loggers, metrics: { ...noMetrics, counter: () => ({ add: count => { refused += count } }) } } })
    bitswap.start()
    await network.start(signal)
    all.push({ self, network, bitswap, blocks, log, refused: () => refused })
  }
  await clock.settle()
  return { clock, all }
}

test('brings a block from the peer that has it, named or not, small or large', async () => {
  const { clock, all: [a, b, c] } = await peers(3) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer, Peer] }
  for (const { bytes, cid } of [block('small'), block(new Uint8Array(2_000_000).fill(3))]) {
    b.blocks.set(cid.toString(), bytes)
    for (const from of [undefined, b.self, c.self]) {
      const fetched = a.bitswap.fetch(cid, { from })
      await clock.advance(1)
      assert.deepEqual(await fetched, bytes)
    }
  }
})

test('thousands of wishes at once are all fulfilled', async () => {
  const { clock, all: [a, b] } = await peers(2) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer] }
  const blocks = Array.from({ length: 3_000 }, (_, i) => block(`block ${i}`))
  for (const { bytes, cid } of blocks) b.blocks.set(cid.toString(), bytes)
  const fetched = Promise.all(blocks.map(({ cid }) => a.bitswap.fetch(cid, { from: b.self })))
  await clock.advance(1)
  assert.deepEqual(await fetched, blocks.map(({ bytes }) => bytes))
})

test('a block that comes later reaches all who wait: other peers, and this one', async () => {
  const { clock, all: [a, b, c] } = await peers(3) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer, Peer] }
  const { bytes, cid } = block('later')
  const fetched = [a.bitswap.fetch(cid, { from: c.self }), b.bitswap.fetch(cid, {}), c.bitswap.fetch(cid, {})]
  await clock.advance(600)
  c.blocks.set(cid.toString(), bytes)
  c.bitswap.announce(cid)
  await clock.advance(1)
  assert.deepEqual(await Promise.all(fetched), [bytes, bytes, bytes])
})

test('goes on to the next peer when one has promised and does not send, and asks peers that come later', async () => {
  const { clock, all: [a, b, c] } = await peers(3) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer, Peer] }
  const { bytes, cid } = block(new Uint8Array(10_000))
  b.bitswap.stop()
  b.network.handle(bitswapProtocol, () => {})
  c.blocks.set(cid.toString(), bytes)
  const fetched = a.bitswap.fetch(cid, { from: b.self })
  await clock.advance(2_000)
  assert.deepEqual(await fetched, bytes)
  const other = block('other')
  await c.network.stop()
  const waiting = a.bitswap.fetch(other.cid, {})
  await clock.advance(1_000)
  c.blocks.set(other.cid.toString(), other.bytes)
  await c.network.start(signal)
  await clock.advance(20_000)
  assert.deepEqual(await waiting, other.bytes)
})

test('ends with the signal, and when the network stops', async () => {
  const { clock, all: [a, b] } = await peers(2) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer] }
  const { cid } = block('nobody has it')
  const controller = new AbortController()
  const fetched = assert.rejects(a.bitswap.fetch(cid, { from: b.self, signal: controller.signal }), /enough/)
  await clock.advance(1_000)
  controller.abort(new Error('enough'))
  await fetched
  const stopped = assert.rejects(a.bitswap.fetch(cid, {}), { code: 'CANCELLED' })
  a.bitswap.stop()
  await stopped
  await assert.rejects(a.bitswap.fetch(CID.createV1(0x55, createDigest(0x1e, new Uint8Array(32))), {}), { code: 'UNSUPPORTED' })
})

test('a block that does not match its CID does not count', async () => {
  const { clock, all: [a, b] } = await peers(2) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer] }
  const { bytes, cid } = block('true')
  b.blocks.set(cid.toString(), new TextEncoder().encode('false'))
  let isDone = false
  const fetched = a.bitswap.fetch(cid, { from: b.self }).then(found => { isDone = true; return found })
  await clock.advance(3_000)
  assert.equal(isDone, false)
  b.blocks.set(cid.toString(), bytes)
  await clock.advance(30_000)
  assert.deepEqual(await fetched, bytes)
})

test('hostile bytes and wishes without end are left, with one line of log, and others are served on', async () => {
  const { clock, all: [a, b, c] } = await peers(3) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer, Peer] }
  const wants = Array.from({ length: 16_000 }, (_, i) => ({ cid: block(`${i}`).cid.bytes, wantsBlock: true, isCancelled: false, sendDontHave: false }))
  const empty = { isFull: false, wants: [], blocks: [], haves: [], dontHaves: [] }
  const hostile = [
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f), Uint8Array.of(0xff, 0xff, 0xff), Uint8Array.of(3, 0xff, 0xff, 0xff), Uint8Array.of(5, 1),
    frame(encodeMessage({ ...empty, wants })), frame(encodeMessage({ ...empty, wants: [...wants, ...wants] })),
    frame(encodeMessage({ ...empty, wants: [{ cid: new Uint8Array(200), wantsBlock: true, isCancelled: false, sendDontHave: true }] })),
  ]
  for (const bytes of hostile) {
    const stream = await b.network.open(a.self, bitswapProtocol, {})
    const written = stream.write(bytes).then(() => stream.closeWrite(), () => {})
    await clock.settle()
    await written
  }
  for (let i = 0; i < 100; i++) await b.network.open(a.self, bitswapProtocol, {})
  await clock.advance(10)
  assert.equal(a.log.length, 1)
  const before = a.refused()
  assert.ok(before >= 70, `${before} were counted`)
  await b.network.stop()
  await b.network.start(signal)
  const stream = await b.network.open(a.self, bitswapProtocol, {})
  await stream.write(hostile[0] as Uint8Array).catch(() => {})
  await clock.advance(10)
  assert.deepEqual([a.refused() - before, a.log.length], [1, 1], 'a new connection gives nobody a new line')
  const { bytes, cid } = block('still here')
  a.blocks.set(cid.toString(), bytes)
  const fetched = c.bitswap.fetch(cid, { from: a.self })
  await clock.advance(1)
  assert.deepEqual(await fetched, bytes)
})

test('messages come back as they were, whatever the cuts', async () => {
  const plain = { noNullPrototype: true }
  const cid = fc.uint8Array({ minLength: 1, maxLength: 128 })
  const message: fc.Arbitrary<BitswapMessage> = fc.record({
    isFull: fc.boolean(),
    wants: fc.array(fc.record({ cid, wantsBlock: fc.boolean(), isCancelled: fc.boolean(), sendDontHave: fc.boolean() }, plain)),
    blocks: fc.array(fc.record({ prefix: fc.uint8Array({ maxLength: 8 }), data: fc.uint8Array({ maxLength: 500 }) }, plain)),
    haves: fc.array(cid),
    dontHaves: fc.array(cid),
  }, plain)
  await fc.assert(fc.asyncProperty(fc.array(message), fc.integer({ min: 1, max: 700 }), async (messages, size) => {
    const all = Buffer.concat(messages.map(value => frame(encodeMessage(value))))
    async function * pieces (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < all.length; at += size) yield new Uint8Array(all.subarray(at, at + size))
    }
    const read: BitswapMessage[] = []
    for await (const bytes of readFrames(pieces(), 1_000_000)) read.push(decodeMessage(new Uint8Array(bytes)))
    assert.deepEqual(read, messages)
  }))
})

test('who asks for all anew again and again and reads nothing has no more than one answer waiting', async () => {
  const { clock, all: [a, b] } = await peers(2) as { clock: ReturnType<typeof virtualClock>, all: [Peer, Peer] }
  const { bytes, cid } = block(new Uint8Array(1_000_000).fill(3))
  let lookUps = 0
  a.blocks.get = () => {
    lookUps++
    return bytes
  }
  b.network.handle(bitswapProtocol, () => {})
  const stream = await b.network.open(a.self, bitswapProtocol, {})
  const message = frame(encodeMessage({ isFull: true, wants: [{ cid: cid.bytes, wantsBlock: true, isCancelled: false, sendDontHave: true }], blocks: [], haves: [], dontHaves: [] }))
  for (let i = 0; i < 50; i++) {
    await stream.write(message)
    await clock.settle()
  }
  assert.ok(lookUps >= 1 && lookUps <= 2, `${lookUps} blocks`)
})

test('messages that are begun and not ended have a bound, of one peer and of all, and are given up after a while', async () => {
  const { clock, all: [a, ...others] } = await peers(11) as { clock: ReturnType<typeof virtualClock>, all: [Peer, ...Peer[]] }
  const begun = frame(new Uint8Array(4 * 1024 * 1024)).subarray(0, -1)
  const [half, rest] = [begun.subarray(0, 3_000_000), begun.subarray(3_000_000)]
  const begin = async (from: Peer): Promise<PeerStream> => {
    const stream = await from.network.open(a.self, bitswapProtocol, {})
    void stream.write(half).then(() => stream.write(rest)).catch(() => {})
    return stream
  }
  const left = (streams: readonly PeerStream[]): number => streams.filter(stream => !stream.signal.aborted).length
  const streams: PeerStream[] = []
  for (const [i, other] of others.slice(0, 9).entries()) {
    for (let n = 0; n < 8; n++) streams.push(await begin(other))
    await clock.settle()
    assert.equal(left(streams), Math.min(4 * (i + 1), 32))
  }
  const last = others.at(-1) as Peer
  const small = block('a message that comes in one piece')
  last.blocks.set(small.cid.toString(), small.bytes)
  const fetched = a.bitswap.fetch(small.cid, {})
  await clock.advance(1)
  assert.deepEqual(await fetched, small.bytes)
  await clock.advance(2 * 60_000)
  assert.equal(left(streams), 0)
  assert.equal(left([await begin(last)]), 1)
  assert.equal(a.log.length, 9)
})

test('a message that comes byte by byte costs no more than its bytes', async () => {
  const framed = frame(new Uint8Array(400_000).fill(7))
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  let grown = 0
  async function * bytes (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < framed.length; at++) {
      if (at === framed.length - 1) {
        collectGarbage()
        grown = process.memoryUsage().heapUsed - before
      }
      yield framed.subarray(at, at + 1)
    }
  }
  assert.deepEqual((await Array.fromAsync(readFrames(bytes(), 1_000_000))).map(({ length }) => length), [400_000])
  assert.ok(grown < 20_000_000, `${grown} bytes`)
})
