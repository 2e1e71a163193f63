import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { time } from '../../test/arbitraries.ts'
import { ClusterError } from '../domain/errors.ts'
import { MsgpackStream } from './msgpack-stream.ts'
import { maxMsgpackDepth, MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack.ts'

const writer = new MsgpackWriter()

function hexOf (write: (writer: MsgpackWriter) => void): string {
  write(writer)
  return Buffer.from(writer.finish()).toString('hex')
}

function readerOf (hex: string): MsgpackReader {
  return new MsgpackReader(Buffer.from(hex, 'hex'))
}

test('numbers take the smallest form of their sign', () => {
  const signed: ReadonlyArray<readonly [number | bigint, string]> = [
    [0, '00'], [127, '7f'], [128, 'd10080'], [32_767, 'd17fff'], [32_768, 'd200008000'], [2 ** 31, 'd30000000080000000'], [-1, 'ff'], [-32, 'e0'], [-33, 'd0df'],
    [-128, 'd080'], [-129, 'd1ff7f'], [-32_769, 'd2ffff7fff'], [-(2 ** 31) - 1, 'd3ffffffff7fffffff'], [2n ** 63n - 1n, 'd37fffffffffffffff'],
  ]
  for (const [value, hex] of signed) {
    assert.equal(hexOf((to) => to.signed(value)), hex)
    assert.equal(BigInt(readerOf(hex).wholeNumber()), BigInt(value))
  }
  const unsigned = [[127, '7f'], [128, 'cc80'], [256, 'cd0100'], [65_536, 'ce00010000'], [2 ** 32, 'cf0000000100000000']] as const
  for (const [value, hex] of unsigned) {
    assert.equal(hexOf((to) => to.unsigned(value)), hex)
    assert.equal(readerOf(hex).integer(), value)
  }
})

test('text is raw in the old forms, and read in all', () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('a'.repeat(31), 'a'.repeat(32), 'a'.repeat(65_536), 'é'.repeat(16))), (text) => {
    const bytes = Buffer.from(text)
    const header = bytes.length < 32 ? [0xa0 | bytes.length] : bytes.length < 65_536 ? [0xda, bytes.length >> 8, bytes.length & 255] : [0xdb, 0, bytes.length >> 16, (bytes.length >> 8) & 255, bytes.length & 255]
    const hex = hexOf((to) => to.text(text))
    assert.equal(hex, Buffer.of(...header).toString('hex') + bytes.toString('hex'))
    assert.equal(readerOf(hex).text(), text)
  }))
  for (const hex of ['d90161', 'c40161', 'da000161', 'c5000161', 'c60000000161', 'db0000000161', 'a161']) assert.equal(readerOf(hex).text(), 'a', hex)
})

test('a moment comes back, and every form of it is read', () => {
  fc.assert(fc.property(time, (value) => {
    assert.equal(readerOf(hexOf((to) => to.time(value))).time(), value)
  }))
  for (const hex of ['a46553f100', 'd6ff6553f100', 'c704ff6553f100', 'c4046553f100', 'd7ff000000006553f100', 'c70cff00000000000000006553f100']) assert.equal(readerOf(hex).time(), 1_700_000_000_000, hex)
  for (const hex of ['a161', 'd6016553f100', 'd7ffffffffffffffffff', 'ac000000007fffffffffffffff', '05']) assert.throws(() => readerOf(hex).time(), { code: 'INVALID_WIRE_DATA' }, hex)
})

test('a count or length that the bytes cannot hold costs nothing', () => {
  for (const hex of ['ddffffffff', 'dfffffffff', 'dbffffffff', 'c6ffffffff', 'dcffff', '8f']) {
    const reader = readerOf(hex)
    assert.throws(() => reader.skip(), { code: 'INVALID_WIRE_DATA' }, hex)
  }
  assert.throws(() => readerOf('ddffffffff').enterArray(), { code: 'INVALID_WIRE_DATA' })
})

test('nesting is bounded', () => {
  const nested = (depth: number): string => '91'.repeat(depth) + 'c0'
  readerOf(nested(maxMsgpackDepth)).skip()
  assert.throws(() => readerOf(nested(maxMsgpackDepth + 1)).skip(), { code: 'INVALID_WIRE_DATA' })
  const stream = new MsgpackStream({ maxValueBytes: 1e6 })
  stream.push(Buffer.from(nested(100_000), 'hex'))
  assert.throws(() => stream.take(), { code: 'INVALID_WIRE_DATA' })
})

type Tree = null | boolean | number | string | Tree[] | { [key: string]: Tree }

const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof({ maxDepth: 4 }, fc.constantFrom(null, true, false), fc.integer(), fc.string({ maxLength: 80 }), fc.array(tie('tree'), { maxLength: 20 }), fc.dictionary(fc.string(), tie('tree'), { maxKeys: 20 })),
})).tree

function writeTree (value: Tree): void {
  if (value === null) writer.nil()
  else if (typeof value === 'boolean') writer.boolean(value)
  else if (typeof value === 'number') writer.signed(value)
  else if (typeof value === 'string') writer.text(value)
  else if (Array.isArray(value)) {
    writer.arrayHeader(value.length)
    value.forEach(writeTree)
  } else {
    writer.mapHeader(Object.keys(value).length)
    for (const [key, item] of Object.entries(value)) {
      writer.text(key)
      writeTree(item)
    }
  }
}

test('values that stand back to back are cut apart however they arrive', () => {
  fc.assert(fc.property(fc.array(tree, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (values, sizes) => {
    const expected = values.map((value) => {
      writeTree(value)
      return writer.finish()
    })
    const all = Buffer.concat(expected)
    const stream = new MsgpackStream({ maxValueBytes: 1e6 })
    const got: Uint8Array[] = []
    for (let at = 0, turn = 0; at < all.length; turn++) {
      const size = sizes[turn % sizes.length] as number
      stream.push(Uint8Array.prototype.slice.call(all, at, at + size))
      at += size
      for (let value = stream.take(); value !== undefined; value = stream.take()) got.push(value)
    }
    assert.deepEqual(got.map((value) => Buffer.from(value).toString('hex')), expected.map((value) => Buffer.from(value).toString('hex')))
    assert.equal(stream.pendingBytes, 0)
    for (const value of expected) {
      const reader = new MsgpackReader(value)
      reader.skip()
      assert.ok(reader.done)
    }
  }))
})

test('a value above the limit is refused before it has arrived', () => {
  const stream = new MsgpackStream({ maxValueBytes: 1000 })
  stream.push(Buffer.from('db7fffffff', 'hex'))
  assert.throws(() => stream.take(), { code: 'TOO_LARGE' })
  const many = new MsgpackStream({ maxValueBytes: 1000 })
  many.push(Buffer.from(`ddffffffff${'c0'.repeat(2000)}`, 'hex'))
  assert.throws(() => many.take(), { code: 'TOO_LARGE' })
})

test('a large value takes little more memory than it has, and one that only claims to be large takes little', () => {
  const content = new Uint8Array(300_000).fill(7)
  const value = Buffer.concat([Buffer.from('c6000493e0', 'hex'), content])
  const stream = new MsgpackStream({ maxValueBytes: 2 ** 20 })
  const all = Buffer.concat([value, value, value])
  const taken: Uint8Array[] = []
  for (let at = 0; at < all.length; at += 60_000) {
    stream.push(all.subarray(at, at + 60_000))
    for (let one = stream.take(); one !== undefined; one = stream.take()) taken.push(one)
  }
  assert.equal(taken.length, 3)
  for (const one of taken) {
    assert.ok(value.equals(one))
    assert.ok(one.buffer.byteLength <= 1.3 * value.length, `${one.buffer.byteLength} bytes of memory`)
  }

  const claims = Array.from({ length: 200 }, () => new MsgpackStream({ maxValueBytes: 2 ** 20 }))
  const before = process.memoryUsage().arrayBuffers
  for (const claim of claims) {
    for (const piece of ['c600', '0ffff0', '00', '00']) {
      claim.push(Buffer.from(piece, 'hex'))
      assert.equal(claim.take(), undefined)
    }
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
})

test('the reader and the stream agree on what is a value', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    const outcome = (read: () => number | undefined): number | string => {
      try {
        return read() ?? 'incomplete'
      } catch (error) {
        assert.ok(error instanceof ClusterError, String(error))
        return error.message.includes('ends') ? 'incomplete' : 'invalid'
      }
    }
    const stream = new MsgpackStream({ maxValueBytes: 2 ** 40 })
    stream.push(bytes)
    const cut = outcome(() => stream.take()?.length)
    const read = outcome(() => {
      const reader = new MsgpackReader(bytes)
      reader.skip()
      return reader.at
    })
    // The reader sees the whole value and may tell earlier that its end is missing.
    if (cut !== read) assert.ok(read === 'incomplete' && (cut === 'invalid' || typeof cut === 'string'), `${cut} ${read}`)
  }), { numRuns: 3000 })
})

test('memory that is left to a value alone may be wiped: what comes after it stays', () => {
  let alone = 0
  const foreign = Buffer.from('of others')
  const size = fc.oneof(fc.nat(200), fc.integer({ min: 15_000, max: 20_000 }), fc.integer({ min: 60_000, max: 300_000 }))
  fc.assert(fc.property(fc.array(size, { minLength: 1, maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 }), (sizes, cuts) => {
    const values = sizes.map((size, i) => {
      const writer = new MsgpackWriter()
      writer.raw(new Uint8Array(size).fill(i + 1))
      return writer.finish()
    })
    const all = Buffer.concat(values)
    const stream = new MsgpackStream({ maxValueBytes: 1e6 })
    const kept: Array<[Uint8Array, number]> = []
    const memories: Buffer[] = []
    let next = 0
    for (let at = 0, i = 0; at < all.length; i++) {
      const end = Math.min(all.length, at + (cuts[i % cuts.length] as number))
      // What others have stands before each piece.
      const memory = Buffer.concat([foreign, all.subarray(at, end)])
      memories.push(memory)
      stream.push(memory.subarray(foreign.length))
      at = end
      for (let value = stream.take(); value !== undefined; value = stream.take()) {
        assert.equal(Buffer.compare(value, values[next] as Uint8Array), 0)
        if (stream.isAlone) {
          alone++
          new Uint8Array(value.buffer).fill(0xff)
        } else kept.push([value, next])
        next++
      }
    }
    assert.equal(next, values.length)
    for (const memory of memories) assert.ok(memory.subarray(0, foreign.length).equals(foreign))
    for (const [value, number] of kept) assert.equal(Buffer.compare(value, values[number] as Uint8Array), 0)
  }), { numRuns: 200 })
  assert.ok(alone > 50, `${alone} values`)
})
