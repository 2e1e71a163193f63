import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MsgpackWriter } from '../codec/msgpack.ts'
import type { PeerStream } from '../platform/network.ts'
import { free, giveBack, handOver } from '../platform/spent-memory.ts'
import { PartialBytes } from './call-limits.ts'
import { ValueReader, ValueWriter } from './framing.ts'
import { methods } from './methods.ts'
import { blockOf } from './rpc.fixture.ts'

const value = (() => {
  const writer = new MsgpackWriter()
  writer.raw(Uint8Array.from({ length: 100_000 }, (_, i) => i * 7))
  return writer.finish()
})()

/** A piece of the value with something else before and behind it in its memory, handed over by whoever decrypted it. */
function pieceOf (start: number, end: number, before: number, behind = 0): Uint8Array {
  const memory = new Uint8Array(before + end - start + behind)
  memory.set(value.subarray(start, end), before)
  handOver(memory, 'reading')
  return memory.subarray(before, before + end - start)
}

async function read (pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  async function * incoming (): AsyncGenerator<Uint8Array> { yield * pieces }
  const found = await new ValueReader({ incoming: incoming() }).next(1_000_000)
  assert.ok(found !== undefined)
  return found
}

test('what was put together is freed where it came, unless others may have something there', async () => {
  const pieces = [
    pieceOf(0, 20_000, 12), pieceOf(20_000, 40_000, 0), pieceOf(40_000, 60_000, 12), pieceOf(60_000, 70_000, 13), pieceOf(70_000, 80_000, 0, 1), pieceOf(80_000, value.length, 0),
  ]
  assert.equal(Buffer.compare(await read(pieces), value), 0)
  // The first was not copied when it came: values may be views of it.
  assert.deepEqual(pieces.map(({ length }) => length > 0), [true, false, false, true, true, false])
})

test('a value that came in one piece keeps its memory', async () => {
  const piece = pieceOf(0, value.length, 0)
  const found = await read([piece])
  free(found)
  assert.equal(Buffer.compare(found, value), 0)
})

test('a value that was put together is free with any part of it', async () => {
  const found = await read([pieceOf(0, 40_000, 0), pieceOf(40_000, value.length, 0)])
  free(found.subarray(5, 10))
  assert.equal(found.length, 0)
})

test('who has sent large values and stays, saying no more, leaves the room for such to others', async () => {
  const large = Buffer.concat([Uint8Array.of(0xc6, 0, 0x40, 0, 0), new Uint8Array(4 * 1024 * 1024)])
  const partial = new PartialBytes()
  for (let i = 0; i < 100; i++) {
    async function * incoming (): AsyncGenerator<Uint8Array> {
      yield large.subarray(0, 3_000_000)
      yield large.subarray(3_000_000)
    }
    const reader = new ValueReader({ incoming: incoming() }, partial)
    assert.equal((await reader.next(large.length))?.length, large.length)
  }
})

test('what is sent belongs to the stream', async () => {
  const sent: Uint8Array[] = []
  const writer = new ValueWriter({ write: async (bytes: Uint8Array) => { sent.push(bytes) } } as unknown as PeerStream)
  for (const byte of [1, 2]) {
    const { cid, bytes } = blockOf(new Uint8Array(80_000).fill(byte))
    writer.add(methods.putBlocks.request, { cid, bytes, size: bytes.length })
    await writer.send()
    giveBack(sent.at(-1) as Uint8Array, 'encryption')
    assert.equal(bytes.length, 80_000)
  }
  assert.deepEqual(sent.map(({ length }) => length), [0, 0])
})
