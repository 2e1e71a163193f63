import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryTerminal } from './memory-terminal.ts'
import { askLine, askYesNo } from './prompt.ts'

const again = 'Please press either \'y\' or \'n\'\n'

for (const [stdin, answer, stdout] of [
  ['y\n', true, 'Sure? '],
  ['Y', true, 'Sure? '],
  ['  y\n', true, 'Sure? '],
  ['n\n', false, 'Sure? '],
  ['', false, 'Sure? '],
  ['\ny\n', false, 'Sure? '],
  ['yes\ny\n', true, `Sure? ${again}Sure? `],
  ['maybe y\n', true, `Sure? ${again}Sure? `],
  ['maybe\n\ny\n', true, `Sure? ${again}Sure? ${again}Sure? `],
  ['a\nb\nc\ny\n', false, `Sure? ${again}Sure? ${again}Sure? ${again}`],
  ['maybe', false, `Sure? ${again}Sure? ${again}Sure? ${again}`],
] as const) {
  test(`answer ${JSON.stringify(stdin)}`, async () => {
    const terminal = memoryTerminal({ stdin })
    assert.equal(await askYesNo(terminal, 'Sure?'), answer)
    assert.equal(terminal.written.stdout, stdout)
  })
}

test('what follows the answer stays for the command', async () => {
  const terminal = memoryTerminal({ stdin: 'y\n{"a":1}\n{"b":2}' })
  await askYesNo(terminal, 'Sure?')
  let rest = ''
  for await (const chunk of terminal.stdin.chunks()) rest += new TextDecoder().decode(chunk)
  assert.equal(rest, '{"a":1}\n{"b":2}')
})

test('a line is read without its end', async () => {
  for (const [stdin, line] of [['abc\r\ndef', 'abc'], ['abc', 'abc'], ['', ''], ['ü 1\n', 'ü 1']] as const) {
    const terminal = memoryTerminal({ stdin })
    assert.equal(await askLine(terminal, 'Secret: '), line)
    assert.equal(terminal.written.stdout, 'Secret: ')
  }
})
