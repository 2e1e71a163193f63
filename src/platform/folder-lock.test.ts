import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockFolder } from './folder-lock.ts'

const goBinaries = process.env.FLOTILLA_GO_BIN

function makeFolder (t: { after (work: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/** A process that takes the lock, says so, and keeps it until it is killed. */
async function holdInOtherProcess (folder: string) {
  const code = `import { lockFolder } from ${JSON.stringify(import.meta.resolve('./folder-lock.ts'))}
    await lockFolder(${JSON.stringify(folder)}); console.log('held'); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

const heldText = (folder: string): string =>
  `lock ${folder}/cluster.lock: someone else has the lock. If no other ipfs-cluster-service process is running, remove ${folder}/cluster.lock, or make sure that the config folder is writable for the user running ipfs-cluster-service.`

test('a lock is exclusive between processes and gone when its process is killed', async t => {
  const folder = makeFolder(t)
  const other = await holdInOtherProcess(folder)
  await assert.rejects(lockFolder(folder), { code: 'FOLDER_LOCKED', message: heldText(folder) })
  other.kill('SIGKILL')
  await once(other, 'exit')
  const lock = await lockFolder(folder)
  lock.release()
})

test('a lock is exclusive within a process, and can be taken again after its release', async t => {
  const folder = makeFolder(t)
  const lock = await lockFolder(folder)
  await assert.rejects(lockFolder(folder), /lock is already held by us/)
  lock.release()
  lock.release()
  const again = await lockFolder(folder)
  again.release()
})

test('the folder is made, the file stays empty, and nothing else is left', async t => {
  const folder = join(makeFolder(t), 'deep', 'folder')
  const lock = await lockFolder(folder)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(folder), ['cluster.lock'])
  lock.release()
  assert.deepEqual(readdirSync(folder), ['cluster.lock'])
  assert.equal(statSync(join(folder, 'cluster.lock')).size, 0)
  assert.equal(statSync(join(folder, 'cluster.lock')).mode & 0o777, 0o644)
})

test('a file that is not empty is not touched', async t => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'cluster.lock'), 'something')
  await assert.rejects(lockFolder(folder), { code: 'FOLDER_LOCKED', message: /can't Lock file .* has non-zero size/ })
  assert.equal(statSync(join(folder, 'cluster.lock')).size, 9)
})

test('a folder that cannot be made says why', async t => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(lockFolder(join(folder, 'file')), { code: 'FOLDER_LOCKED', message: /^lock .*: (file exists|not a directory)\. If no other/ })
})

test('the Go program respects our lock, and we respect its', { skip: goBinaries === undefined && 'FLOTILLA_GO_BIN is not set' }, async t => {
  const folder = makeFolder(t)
  const program = join(goBinaries as string, 'ipfs-cluster-service')
  const run = (...args: string[]) => spawnSync(program, ['-c', folder, ...args], { encoding: 'utf8', input: '' })
  assert.equal(run('init').status, 0)

  const lock = await lockFolder(folder)
  const refused = run('state', 'export')
  assert.equal(refused.status, 1)
  assert.equal(refused.stderr, `error obtaining execution lock: ${heldText(folder)}\n`)
  lock.release()

  // It asks before it overwrites, with the lock in its hands.
  const other = spawn(program, ['-c', folder, 'init'], { stdio: ['pipe', 'pipe', 'ignore'] })
  await once(other.stdout, 'data')
  await assert.rejects(lockFolder(folder), { code: 'FOLDER_LOCKED', message: heldText(folder) })
  other.stdin.end('n\n')
  await once(other, 'exit')
  const again = await lockFolder(folder)
  again.release()
})
