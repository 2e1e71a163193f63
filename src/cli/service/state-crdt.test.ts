import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { exportedPin } from '../../codec/state-export.ts'
import { cidFromBytes } from '../../domain/cid.ts'
import { defaultPinOptions, pinWithOptions } from '../../domain/pin.ts'
import { lockFolder } from '../../platform/folder-lock.ts'
import { peerParts } from './peer-parts.ts'
import { runService, type Outcome } from './run-in-process.fixture.ts'

/** A stopped peer with a datastore of its own. */
async function withPeer (t: TestContext, init: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'crdt-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const run = (args: readonly string[]): Promise<Outcome> => runService(['-c', folder, ...args], { parts: peerParts })
  assert.equal((await run(['init', ...init])).exit, 0)
  return { folder, run }
}

/** An export of so many pins. */
function exportOf (count: number): string {
  return Array.from({ length: count }, (_, i) => {
    const cid = cidFromBytes(Uint8Array.of(1, 0x55, 0x12, 0x20, ...createHash('sha256').update(String(i)).digest()))
    return exportedPin(pinWithOptions(cid, defaultPinOptions, 1_795_494_848_000))
  }).join('')
}

test('info tells heads, height and mark; the marks stay', async t => {
  const { folder, run } = await withPeer(t)
  assert.deepEqual(await run(['state', 'crdt', 'info']), { exit: 0, stdout: 'Number of heads: 0. Current max-height: 0. Dirty: false\nHeads: []', stderr: '' })
  const file = join(folder, 'pins')
  writeFileSync(file, exportOf(1200))
  assert.equal((await run(['state', 'import', '-f', file])).exit, 0)
  const before = await run(['state', 'crdt', 'info'])
  assert.match(before.stdout, /^Number of heads: 1\. Current max-height: 3\. Dirty: false\nHeads: \[bafybei\w+\]$/)
  assert.deepEqual(await run(['state', 'crdt', 'mark-dirty']), { exit: 0, stdout: 'Datastore marked \'dirty\'\n', stderr: '' })
  assert.equal((await run(['state', 'crdt', 'info'])).stdout, before.stdout.replace('Dirty: false', 'Dirty: true'))
  assert.deepEqual(await run(['state', 'crdt', 'mark-clean']), { exit: 0, stdout: 'Datastore marked \'clean\'\n', stderr: '' })
  assert.deepEqual(await run(['state', 'crdt', 'info']), before)
})

test('dot draws every node with what it adds and what it follows', async t => {
  const { folder, run } = await withPeer(t)
  const file = join(folder, 'pins')
  writeFileSync(file, exportOf(1200))
  assert.equal((await run(['state', 'import', '-f', file])).exit, 0)
  const { stdout, exit } = await run(['state', 'crdt', 'dot'])
  assert.equal(exit, 0)
  const head = /^digraph CRDTDAG \{\nsubgraph heads \{\n(\w+)\n\}\n/.exec(stdout)?.[1] ?? assert.fail(stdout)
  assert.ok(stdout.endsWith('}\n}\n'))
  const labels = new Map([...stdout.matchAll(/^(\w+) \[label="(\d+) \| (\w{4}): \+(\d+) -(\d+)"\]$/gm)].map(([, cid = '', ...label]) => [cid, label]))
  const links = new Map([...stdout.matchAll(/^(\w+) -> \{(?:(\w+) )?\}\nsubgraph sg_\1 \{\n(?:\2\n)?\}$/gm)].map(([, cid = '', link = '']) => [cid, link]))
  const chain = [head, links.get(head) ?? '', links.get(links.get(head) ?? '') ?? '']
  assert.deepEqual(chain.map(cid => labels.get(cid)), [3, 2, 1].map((height, i) => [String(height), (chain[i] as string).slice(-4), height === 3 ? '200' : '500', '0']))
  assert.equal(links.get(chain[2] as string), '')
  assert.equal(labels.size, 3)
  const written = join(folder, 'dot')
  assert.deepEqual(await run(['state', 'crdt', 'dot', '-f', written]), { exit: 0, stdout: '', stderr: '' })
  assert.equal(readFileSync(written, 'utf8'), stdout)
  assert.match((await run(['state', 'crdt', 'dot', '-f', join(folder, 'none', 'dot')])).stderr, /^error creating output file: open .*no such file or directory\n$/)
})

test('another consensus, no configuration and a running peer are refused', async t => {
  const raft = await withPeer(t, ['--consensus', 'raft'])
  assert.deepEqual(await raft.run(['state', 'crdt', 'mark-dirty']), { exit: 1, stdout: '', stderr: 'error : crdt subcommands can only be run on peers initialized with crdt consensus\n' })
  const { folder, run } = await withPeer(t)
  const lock = await lockFolder(folder)
  assert.match((await run(['state', 'crdt', 'info'])).stderr, /^error obtaining execution lock: /)
  lock.release()
  assert.equal(existsSync(join(folder, 'leveldb')), false)
  const path = join(folder, 'service.json')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), datastore: {} }))
  assert.deepEqual(await run(['state', 'crdt', 'info']), { exit: 1, stdout: '', stderr: 'error opening datastore: unknown datastore\n' })
  rmSync(path)
  assert.match((await run(['state', 'crdt', 'dot', '--help'])).stderr, /^error loading configurations: open .*service\.json: no such file or directory\n$/)
})
