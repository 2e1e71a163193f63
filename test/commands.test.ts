import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../bin', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'flotilla commands '))
after(() => { rmSync(folder, { recursive: true, force: true }) })
const skip = process.platform === 'win32' ? 'npm makes scripts of its own there' : false

function run (program: string, args: readonly string[], options: { readonly cwd?: string, readonly env?: NodeJS.ProcessEnv } = {}): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { PATH: process.env.PATH }, ...options })
  return `${status} ${stdout}${stderr}`
}

test('a command is found by its path, by links to it and to its folders, and from its own folder', { skip }, () => {
  mkdirSync(join(folder, 'links'))
  symlinkSync(join(bin, 'ipfs-cluster-ctl'), join(folder, 'links', 'first'))
  symlinkSync(join('links', 'first'), join(folder, 'second'))
  symlinkSync(bin, join(folder, 'commands'))
  const expected = '0 ipfs-cluster-ctl version 1.1.6\n'
  for (const path of [join(bin, 'ipfs-cluster-ctl'), join(folder, 'second'), join(folder, 'commands', 'ipfs-cluster-ctl')]) {
    assert.equal(run(path, ['--version']), expected, path)
  }
  assert.equal(run('sh', ['ipfs-cluster-ctl', '--version'], { cwd: bin }), expected)
  assert.equal(run('second', ['--version'], { env: { PATH: `${folder}:${process.env.PATH}` } }), expected)
})

test('the Node.js that is named comes first, with the arguments as they are', { skip }, () => {
  const output = run(join(bin, 'ipfs-cluster-ctl'), ['a b', '', '*'], { env: { PATH: process.env.PATH, FLOTILLA_NODE: '/bin/echo' } })
  assert.equal(output, `0 --max-semi-space-size=32 ${join(bin, 'ipfs-cluster-ctl')} a b  *\n`)
})

test('the room for young objects is the one that NODE_OPTIONS names, if it names one', { skip }, () => {
  const output = run(join(bin, 'ipfs-cluster-ctl'), ['id'], { env: { PATH: process.env.PATH, FLOTILLA_NODE: '/bin/echo', NODE_OPTIONS: '--max-semi-space-size=32' } })
  assert.equal(output, `0 ${join(bin, 'ipfs-cluster-ctl')} id\n`)
})

test('where no Node.js is found, the command says what to do', { skip }, () => {
  cpSync(bin, join(folder, 'alone', 'bin'), { recursive: true })
  assert.match(run(join(folder, 'alone', 'bin', 'ipfs-cluster-ctl'), [], { env: { PATH: '/nowhere' } }), /^1 error: no Node\.js found: run "npm install" in .*alone\/bin\/\.\., or install Node\.js 24\n$/)
})
