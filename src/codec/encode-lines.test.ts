import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeLines } from './encode-lines.ts'

test('each value becomes a line, however many there are', () => {
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  for (const count of [0, 1, 15, 16, 17, 100]) {
    assert.equal(encodeLines(numbers.slice(0, count), String).toString(), numbers.slice(0, count).map(number => `${number}\n`).join(''))
  }
})
