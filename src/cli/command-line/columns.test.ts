import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { layoutColumns } from './columns.ts'

test('neighbouring lines share a column, a line without a tab begins a new block', () => {
  assert.equal(layoutColumns('a\tone\nlonger\ttwo\nplain\nb\tthree'), 'a       one\nlonger  two\nplain\nb  three')
})

test('characters count, not the units of a string', () => {
  assert.equal(layoutColumns('𝒳\tone\nab\ttwo'), '𝒳   one\nab  two')
})

test('a wide line goes on under its second column', () => {
  const text = layoutColumns(`   --config FOLDER\t${'word '.repeat(30).trim()}`)
  const lines = text.split('\n')
  assert.equal(lines.length, 2)
  assert.ok(lines.every(line => line.length <= 120))
  assert.equal(lines[1]?.search(/\S/), '   --config FOLDER  '.length)
})

test('a word wider than the line is cut', () => {
  const lines = layoutColumns(`name\t${'x'.repeat(300)}`).split('\n')
  assert.ok(lines.every(line => line.length <= 120))
  assert.equal(lines.join('').replaceAll(/[^x]/g, '').length, 300)
})

test('no line is wider than 120 and no word is lost', () => {
  const word = fc.stringMatching(/^[a-z]{1,30}$/)
  fc.assert(fc.property(fc.array(fc.tuple(word, fc.array(word, { maxLength: 40 })), { maxLength: 5 }), rows => {
    const out = layoutColumns(rows.map(([name, words]) => `${name}\t${words.join(' ')}`).join('\n'))
    assert.ok(out.split('\n').every(line => [...line].length <= 120))
    const words = (text: string): string[] => text.split(/\s+/).filter(word => word !== '')
    assert.deepEqual(words(out), words(rows.flat(2).join(' ')))
  }))
})
