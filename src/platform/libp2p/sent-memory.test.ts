import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SentMemory, UnderWay } from './sent-memory.ts'

test('memory is used again when what it held has gone out, and never before', () => {
  const step = fc.record({ connection: fc.nat(1), bytes: fc.oneof(fc.integer({ min: 1, max: 300_000 }), fc.constant(65_537)), goneOut: fc.nat(400_000) })
  let isUsedAgain = 0
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const memory = new SentMemory()
    const seen = new Set<ArrayBufferLike>()
    const connections = [0, 1].map(() => {
      const messages: Array<{ memory: Buffer, left: number }> = []
      return { messages, underWay: new UnderWay(memory, () => messages.reduce((sum, { left }) => sum + left, 0)) }
    })
    for (const { connection, bytes, goneOut } of steps) {
      const { messages, underWay } = connections[connection] as (typeof connections)[number]
      const taken = underWay.take(bytes)
      assert.equal(taken.length, bytes)
      const end = taken.byteOffset + bytes
      for (const { memory: other } of connections.flatMap(({ messages }) => messages)) {
        assert.ok(other.buffer !== taken.buffer || other.byteOffset >= end || other.byteOffset + other.length <= taken.byteOffset, 'memory that is still to be read')
      }
      if (bytes > 16_384) {
        if (seen.has(taken.buffer)) isUsedAgain++
        seen.add(taken.buffer)
      }
      messages.push({ memory: taken, left: bytes })
      let out = goneOut
      for (const message of messages) {
        const part = Math.min(out, message.left)
        message.left -= part
        out -= part
      }
      while (messages[0]?.left === 0) messages.shift()
    }
  }))
  assert.ok(isUsedAgain > 100, `${isUsedAgain} times`)
})

test('what is kept for later is bounded', () => {
  const memory = new SentMemory()
  const buffers = Array.from({ length: 100 }, () => memory.take(200_000))
  for (const buffer of buffers) memory.give(buffer)
  const again = buffers.map(() => memory.take(200_000))
  assert.equal(again.filter(buffer => buffers.includes(buffer)).length, 16)
})
