import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { exportedPin } from '../../codec/state-export.ts'
import { parseCid } from '../../domain/cid.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import { lockFolder } from '../../platform/folder-lock.ts'
import type { StateAccess } from '../../state/state-access.ts'
import type { PeerParts } from './peer-parts.ts'
import { runService, type Outcome } from './run-in-process.fixture.ts'

const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn'
const pins = ['QmU6gJLzou116aQFoUzRmvEkdnoDgECia5C5vAM2ac1nRM', 'bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q6o3z5xxq2ftdqd3a']
  .slice(0, 1).map((text, index) => pinWithOptions(parseCid(text), { ...defaultPinOptions, name: `pin ${index}`, replicationFactorMin: 1, replicationFactorMax: 2, origins: [] }, 1_795_494_848_000))

/** A pinset in memory that keeps what the commands did to it. */
class MemoryState implements StateAccess {
  content: Pin[]
  opened = 0
  closed = 0

  constructor (content: readonly Pin[]) { this.content = [...content] }

  get parts (): Partial<PeerParts> {
    return { openState: async () => { this.opened++; return this } }
  }

  async * pins (): AsyncGenerator<Pin[]> { yield this.content }

  async replace (steps: AsyncIterable<Pin[]>): Promise<number> {
    this.content = (await Array.fromAsync(steps)).flat()
    return this.content.length
  }

  async clear (): Promise<void> { this.content = [] }
  async close (): Promise<void> { this.closed++ }
}

async function withPeer (t: TestContext, content: readonly Pin[] = pins) {
  const folder = mkdtempSync(join(tmpdir(), 'state-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  assert.equal((await runService(['-c', folder, 'init'], {})).exit, 0)
  const state = new MemoryState(content)
  const run = (args: readonly string[], stdin?: string): Promise<Outcome> => runService(['-c', folder, 'state', ...args], { parts: state.parts, ...(stdin !== undefined && { stdin }) })
  const folderAsBefore = (): void => { assert.deepEqual(readdirSync(folder).toSorted(), ['cluster.lock', 'identity.json', 'peerstore', 'service.json']) }
  return { folder, state, run, folderAsBefore }
}

const quiet = { exit: 0, stdout: '', stderr: '' }

test('export writes one pin a line, to stdout or a file', async t => {
  const { folder, state, run } = await withPeer(t)
  const expected = pins.map(exportedPin).join('')
  assert.deepEqual(await run(['export']), { ...quiet, stdout: expected })
  const file = join(folder, 'export')
  assert.deepEqual(await run(['export', '-f', file]), quiet)
  assert.equal(readFileSync(file, 'utf8'), expected)
  assert.deepEqual([state.opened, state.closed], [2, 2])
})

test('an export that cannot be written says so', async t => {
  const { run, state } = await withPeer(t)
  assert.deepEqual(await run(['export', '--file', '/nonexistent/x']), { exit: 1, stdout: '', stderr: 'error creating output file: open /nonexistent/x: no such file or directory\n' })
  if (existsSync('/dev/full')) assert.deepEqual(await run(['export', '--file', '/dev/full']), { exit: 1, stdout: '', stderr: 'error exporting state: write /dev/full: no space left on device\n' })
  assert.equal(state.opened, state.closed)
})

test('what was exported can be imported, from a file and from stdin', async t => {
  const { folder, state, run, folderAsBefore } = await withPeer(t)
  const { stdout: exported } = await run(['export'])
  const file = join(folder, 'export')
  writeFileSync(file, exported)
  state.content = []
  assert.deepEqual(await run(['import', '-f', file]), quiet)
  assert.deepEqual(state.content, pins)
  rmSync(file)

  state.content = []
  assert.deepEqual(await run(['import', '-f'], exported), { ...quiet, stdout: 'reading from stdin, Ctrl-D to finish\n' })
  assert.deepEqual(state.content, pins)
  folderAsBefore()
})

test('import overwrites what the flags say', async t => {
  const { folder, state, run } = await withPeer(t)
  const file = join(folder, 'export')
  writeFileSync(file, pins.map(exportedPin).join(''))
  assert.deepEqual(await run(['import', '-f', '--rmin', '3', '--rmax', '4', '--allocs', `nonsense,${peer}`, file]), quiet)
  assert.deepEqual(state.content, pins.map(pin => ({ ...pin, replicationFactorMin: 3, replicationFactorMax: 4, allocations: [peer] })))
})

test('a pinset is not touched when the input cannot be read to its end', async t => {
  const { folder, state, run, folderAsBefore } = await withPeer(t)
  const good = pins.map(exportedPin).join('')
  for (const [input, reason] of [
    ['hello\n', 'invalid character \'h\' looking for beginning of value'],
    [`${good}hello`, 'invalid character \'h\' looking for beginning of value'],
    [good.slice(0, -5), 'unexpected EOF'],
    [`${good}[]`, 'expected a JSON object for every pin, found "["'],
  ] as const) {
    assert.deepEqual(await run(['import', '-f'], input), { exit: 1, stdout: 'reading from stdin, Ctrl-D to finish\n', stderr: `error importing state: ${reason}\n` }, input)
  }
  const bad = await run(['import', '-f'], `${good}{"cid":5}`)
  assert.equal(bad.exit, 1)
  assert.match(bad.stderr, /^error importing state: pin 2 of the file cannot be read: /)
  assert.deepEqual(await run(['import', '-f', join(folder, 'none')]), { exit: 1, stdout: '', stderr: `error reading import file: open ${folder}/none: no such file or directory\n` })
  assert.deepEqual(state.content, pins)
  assert.equal(state.opened, state.closed)
  folderAsBefore()
})

test('import and cleanup ask first', async t => {
  const { state, run } = await withPeer(t)
  assert.deepEqual(await run(['import', '/nonexistent'], 'n\n'), { ...quiet, stdout: 'The pinset (state) of this peer will be replaced. Continue? [y/n]: ' })
  assert.deepEqual(await run(['cleanup'], ''), { ...quiet, stdout: 'The peer state will be removed.  Existing pins may be lost. Continue? [y/n]: ' })
  assert.deepEqual(state.content, pins)
  assert.deepEqual(await run(['cleanup'], 'y\n'), { ...quiet, stdout: 'The peer state will be removed.  Existing pins may be lost. Continue? [y/n]: ' })
  assert.deepEqual(state.content, [])
  assert.deepEqual(await run(['cleanup', '--force']), quiet)
})

test('the folder is locked meanwhile, and free again after a failure', async t => {
  const { folder, run } = await withPeer(t)
  const lock = await lockFolder(folder)
  const { exit, stderr } = await run(['export'])
  assert.equal(exit, 1)
  assert.match(stderr, /^error obtaining execution lock: lock .*cluster\.lock: lock is already held by us\. /)
  lock.release()
  rmSync(join(folder, 'service.json'))
  assert.deepEqual(await run(['export']), { exit: 1, stdout: '', stderr: `error loading configurations: open ${folder}/service.json: no such file or directory\n` })
  const again = await lockFolder(folder)
  again.release()
})
