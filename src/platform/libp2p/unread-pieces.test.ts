import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { UnreadPieces } from './unread-pieces.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('what comes is read in its order, however it is cut and whenever somebody reads', () => {
  const step = fc.oneof(fc.record({ take: fc.nat(40) }), fc.record({ add: fc.nat(3_000), within: fc.nat(100_000), times: fc.integer({ min: 1, max: 60 }) }))
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), steps => {
    const unread = new UnreadPieces()
    const added: Uint8Array[] = []
    const taken: Uint8Array[] = []
    const take = (): boolean => {
      const piece = unread.take()
      if (piece !== undefined) taken.push(piece)
      return piece !== undefined
    }
    const bytes = (pieces: Uint8Array[]): number => pieces.reduce((sum, { length }) => sum + length, 0)
    for (const one of steps) {
      if ('take' in one) for (let i = 0; i < one.take && take(); i++);
      else for (let i = 0; i < one.times; i++) {
        const piece = new Uint8Array(one.add + one.within).subarray(0, one.add).fill(added.length)
        added.push(piece)
        unread.add(piece)
      }
      assert.equal(unread.bytes, bytes(added) - bytes(taken))
    }
    while (take());
    assert.equal(Buffer.compare(Buffer.concat(taken), Buffer.concat(added)), 0)
    assert.equal(unread.bytes, 0)
  }), { numRuns: 200 })
})

/** All that is kept of some pieces that nobody reads. */
function keptOf (count: number, make: () => Uint8Array): { readonly pieces: number, readonly memoryBytes: number } {
  const unread = new UnreadPieces()
  for (let i = 0; i < count; i++) unread.add(make())
  const memories = new Set<ArrayBufferLike>()
  let pieces = 0
  for (let piece = unread.take(); piece !== undefined; piece = unread.take()) {
    pieces++
    memories.add(piece.buffer)
  }
  return { pieces, memoryBytes: [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0) }
}

test('a few bytes cost no more than a few bytes: not many pieces, nor the memory of what came with them', () => {
  const tiny = keptOf(1_000_000, () => new Uint8Array(1))
  assert.ok(tiny.pieces <= 100, `${tiny.pieces} pieces`)
  const partOfMore = keptOf(1_000, () => new Uint8Array(64 * 1024).subarray(100, 1_200))
  assert.ok(partOfMore.memoryBytes < 4 * 1024 * 1024, `${partOfMore.memoryBytes} bytes`)
  let made = 0
  const between = keptOf(1_000, () => made++ % 2 === 0 ? new Uint8Array(20).subarray(12, 13) : new Uint8Array(600))
  assert.ok(between.memoryBytes < 500 * 600 + 100_000, `${between.memoryBytes} bytes`)
  assert.deepEqual(keptOf(100, () => new Uint8Array(60_000)), { pieces: 100, memoryBytes: 6_000_000 })
})

test('what was read is forgotten, also when there is always something left', async () => {
  const unread = new UnreadPieces()
  const made: Array<WeakRef<Uint8Array>> = []
  const add = (): void => {
    const piece = new Uint8Array(1_000)
    made.push(new WeakRef(piece))
    unread.add(piece)
  }
  add()
  for (let i = 0; i < 2_000; i++) {
    add()
    unread.take()
  }
  // What a weak reference was made of lives until the end of the turn.
  await nextTurn()
  collectGarbage()
  const kept = made.filter(piece => piece.deref() !== undefined)
  assert.ok(kept.length < 100, `${kept.length} pieces are kept, ${unread.bytes} bytes are unread`)
})
