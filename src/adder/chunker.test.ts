import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Chunk } from './byte-queue.ts'
import { parseChunker } from './chunker.ts'
import { generatedContent } from './uploads.fixture.ts'

/** The chunks of `content` when it comes in pieces of these lengths, over and over. */
function chunksOf (name: string, content: Uint8Array, lengths: readonly number[]): Buffer[] {
  const chunker = parseChunker(name)()
  const contentOf = ({ buffer, start, end }: Chunk): Buffer => Buffer.from(buffer.subarray(start, end))
  const chunks: Buffer[] = []
  for (let at = 0, turn = 0; at < content.length; turn++) {
    const length = lengths[turn % lengths.length] as number
    const piece = Buffer.from(content.subarray(at, at + length))
    for (const chunk of chunker.push(piece)) chunks.push(contentOf(chunk))
    // Whoever does not keep pieces does not see what becomes of their memory.
    if (!chunker.keepsPieces) piece.fill(0xee)
    at += length
  }
  for (const chunk of chunker.finish()) chunks.push(contentOf(chunk))
  return chunks
}

for (const name of ['size-1', 'size-4096', 'rabin-100', 'rabin-16-64-512', 'rabin-1024-4096-16384', 'rabin-10', 'buzhash']) {
  test(`${name}: the chunks are the content and do not depend on how it arrives`, () => {
    const largest = name === 'buzhash' ? 1_500_000 : 40_000
    fc.assert(fc.property(fc.nat(largest), fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }), (length, lengths) => {
      const content = generatedContent(length, length)
      const atOnce = chunksOf(name, content, [Math.max(1, length)])
      assert.ok(chunksOf(name, content, lengths).every((chunk, i) => chunk.equals(atOnce[i] as Buffer)))
      assert.ok(Buffer.concat(atOnce).equals(content))
      assert.ok(atOnce.every(chunk => chunk.length > 0))
    }), { numRuns: name === 'buzhash' ? 10 : 40 })
  })
}

test('a file without content has no chunks', () => {
  for (const name of ['', 'size-1', 'rabin-10', 'rabin', 'buzhash']) assert.deepEqual(chunksOf(name, new Uint8Array(0), [1]), [], name)
})

test('a name that makes no sense is refused in the words of the reference', () => {
  for (const [name, message] of [
    ['size', 'incorrect chunker string format (expected size-{size})'],
    ['size-1-2', 'incorrect chunker string format (expected size-{size})'],
    ['size-0', 'chunker size must be greater than 0'],
    ['size-x', 'strconv.Atoi: parsing "x": invalid syntax'],
    ['size-9007199254740993', 'strconv.Atoi: parsing "9007199254740993": value out of range'],
    ['size-2096897', 'chunker parameters may not exceed the maximum chunk size of 2096896'],
    ['rabin-1397932', 'chunker parameters may not exceed the maximum chunk size of 2096896'],
    ['rabin-16-32-2096897', 'chunker parameters may not exceed the maximum chunk size of 2096896'],
    ['rabin-1-2', 'incorrect format (expected \'rabin\' \'rabin-[avg]\' or \'rabin-[min]-[avg]-[max]\''],
    ['rabin-15-32-64', 'rabin min must be greater than 16'],
    ['rabin-32-32-64', 'incorrect format: rabin-min must be smaller than rabin-avg'],
    ['rabin-16-64-64', 'incorrect format: rabin-avg must be smaller than rabin-max'],
    ['rabin-max:16-32-64', 'first label must be min'],
    ['rabin-min:16-min:32-64', 'second label must be avg'],
    ['rabin-16-32-avg:64', 'final label must be max'],
    ['none', 'unrecognized chunker option: none'],
  ] as const) assert.throws(() => parseChunker(name), { code: 'ADD_REFUSED', message }, name)
  for (const name of ['', 'default', 'size-2096896', 'size-+5', 'rabin', 'rabin-1397930', 'rabin-min:16-avg:32-max:2096896', 'buzhash']) parseChunker(name)
})

test('lengths are within the bounds, but for the last', () => {
  const content = generatedContent(9, 300_000)
  for (const [name, min, max] of [['rabin-16-64-512', 16, 512], ['rabin-1024-4096-16384', 1024, 16384], ['size-1000', 1000, 1000]] as const) {
    const lengths = chunksOf(name, content, [65536]).map(chunk => chunk.length)
    assert.ok(lengths.slice(0, -1).every(length => length >= min && length <= max), name)
    assert.ok(lengths.length > 10, name)
  }
})

test('memory that the runtime shares out is not taken for that of a chunk', () => {
  const chunker = parseChunker(`size-${Buffer.poolSize - 64}`)()
  // A first piece that is small gets memory from the runtime's slab, which has the size of a chunk's.
  const [small] = [...chunker.push(Buffer.from('small')), ...chunker.finish()]
  assert.ok(small !== undefined && small.buffer.buffer.byteLength === Buffer.poolSize)
  chunker.release?.(small.buffer)
  const [large] = [...chunker.push(Buffer.alloc(Buffer.poolSize, 7))]
  assert.notEqual(large?.buffer.buffer, small.buffer.buffer)
})
