import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { memoryTerminal } from '../command-line/memory-terminal.ts'
import { runProgram } from '../command-line/run.ts'
import { program } from './program.ts'

const cid = 'bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a'
const peer = '12D3KooWRemBrjRS8LMURnRLqhZY7uLrG9SQzU736oxibJEbngkR'

/** Runs `ctl pin add --wait` against an API that answers the statuses one after the other. */
async function waiting (statuses: readonly string[], isTerminal: boolean, ...args: string[]) {
  const rounds = [...statuses]
  const server = createServer((request, response) => {
    if (request.method === 'POST') response.end(JSON.stringify({ cid, type: 'pin', replication_factor_min: 1, replication_factor_max: 1 }))
    else response.end(JSON.stringify({ cid, peer_map: { [peer]: { peername: 'A', status: rounds.length > 1 ? rounds.shift() : rounds[0] } } }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const terminal = memoryTerminal({ isTerminal })
  const host = `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`
  const exit = await runProgram(program, ['--host', host, 'pin', 'add', '--wait', ...args, cid], terminal)
  server.close()
  server.closeAllConnections()
  return { exit, ...terminal.written }
}

test('the time limit ends it with exit 62, one of a second or less is none', { concurrency: true }, async () => {
  assert.deepEqual(await waiting(['pinning'], false, '--wait-timeout', '1100ms'), { exit: 62, stdout: '', stderr: 'error waiting for pin status: context deadline exceeded\n' })
  assert.equal((await waiting(['pinning', 'pinned'], false, '--wait-timeout', '1s')).exit, 0)
})

test('a time limit longer than a timer of the runtime is one all the same', async () => {
  for (const limit of ['720h', '2000h', '1h0.5ms']) {
    const { exit, stderr } = await waiting(['pinned'], false, '--wait-timeout', limit)
    assert.deepEqual({ exit, stderr }, { exit: 0, stderr: '' }, limit)
  }
})

test('a peer in error ends it', async () => {
  assert.deepEqual(await waiting(['pin_error'], false), { exit: 1, stdout: '', stderr: 'error waiting for pin status: error has occurred while attempting to reach status: pinned\n' })
})

test('in a terminal a table shows the way and is gone at the end', async () => {
  const { stdout, stderr } = await waiting(['pinning', 'pinned'], true)
  assert.match(stdout, /A {20}: PINNED /)
  const [first, ...rest] = stderr.split('\x1b[2A\x1b[J')
  assert.match(first ?? '', /A {20}: PINNING /)
  assert.match(rest[0] ?? '', /A {20}: PINNED /)
  assert.equal(rest.at(-1), '')
  assert.equal((await waiting(['pinned'], false)).stderr, '')
})
