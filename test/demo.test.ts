import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../scripts/demo.ts', import.meta.url))

/** Runs the demo; `onText` is told all that it has said so far. */
async function run (args: readonly string[], onText: (text: string, interrupt: () => void) => void = () => {}): Promise<{ exit: number | null, text: string, errors: string, folder: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => { errors += piece })
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    onText(text, () => { child.kill('SIGINT') })
  })
  const [exit] = await once(child, 'close') as [number | null]
  return { exit, text, errors, folder: / in (\S+), each/.exec(text)?.[1] ?? '' }
}

test('the demo shows a death and its repair, and leaves nothing behind', async () => {
  const { exit, text, errors, folder } = await run(['--peers', '3'])
  assert.equal(exit, 0, text + errors)
  const victim = / Killing (\w+),/.exec(text)?.[1] ?? assert.fail(text)
  const heir = /Repaired: (\w+) has/.exec(text)?.[1] ?? assert.fail(text)
  assert.match(text, new RegExp(`raises the alert: nothing is heard of ${victim}`))
  const [before = '', after = ''] = text.split(/ Killing .*\n/)
  assert.match(before, new RegExp(`\\n +${victim} +pinned\\n`))
  assert.match(before, new RegExp(`\\n +${heir} +-\\n`))
  assert.match(after, new RegExp(`\\n +${heir} +pinned\\n`))
  assert.match(after, /: the same 1000000 bytes\.\n/)
  assert.notEqual(folder, '')
  assert.equal(existsSync(folder), false)
})

test('interrupted, it ends its peers', async () => {
  const { exit, text, errors, folder } = await run(['--peers', '3'], (text, interrupt) => { if (text.includes('http://')) interrupt() })
  assert.equal(exit, 1)
  assert.match(text, /Interrupted\.\n$/, text + errors)
  assert.equal(existsSync(folder), false)
  const apis = [...text.matchAll(/(http:\S+)/g)].map(([url]) => url)
  assert.equal(apis.length, 3)
  for (const api of apis) await assert.rejects(fetch(api), api)
})
