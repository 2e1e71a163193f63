import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { lockFolder, type FolderLock } from '../../src/platform/folder-lock.ts'
import { missingGolden, readGolden } from './golden.ts'

interface Recording {
  readonly id: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly stdin: string | null
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

interface InitRecording { readonly files: Readonly<Record<string, { readonly text: string, readonly mode: string } | null>> }

/** Recordings that need the pinset that the one before left. */
const inOneRow = /state-(export|import|cleanup)(-(after-import|empty|file|force|not-json))?$|source-ok$/

/** Recordings that are not run as they are, and why. */
const notYet: ReadonlyArray<readonly [RegExp, string]> = [
  [/state-crdt-dot$/, 'needs the datastore of the recorded peer; the form is tested beside the command'],
  [/state-.*raft(-empty)?$/, 'the state of Raft peers comes with Raft'],
  [/daemon-(json|no-ipfs|port|sigterm)/, 'running daemons have their own tests'],
  [inOneRow, 'run in one row by the test below'],
]

/** Where our output differs from the recording on purpose. */
const deviations: Readonly<Record<string, { readonly why: string, readonly stdout: (recorded: string) => string }>> = {
  'service-bad-command': wrappedHelp(),
  'service-help-help': wrappedHelp(),
}

function wrappedHelp (): { why: string, stdout: (recorded: string) => string } {
  return { why: 'no line of help is wider than 120 columns: the line of --config may be wrapped', stdout: text => text.replace(/\s+/g, ' ') }
}

const goldenMissing = missingGolden('cli')
const recordings = readGolden<Recording>('cli', 'service-')
const inits = readGolden<InitRecording>('config', 'init-')
const root = mkdtempSync(join(tmpdir(), 'service-'))
const program = programPath()

function programPath (): readonly string[] {
  const bin = fileURLToPath(new URL('../../bin/ipfs-cluster-service', import.meta.url))
  return existsSync(bin) && process.platform !== 'win32' ? [bin] : [process.execPath, fileURLToPath(new URL('../../src/cli/service/main.ts', import.meta.url))]
}

interface Outcome { readonly exit: number | null, readonly stdout: string, readonly stderr: string }

async function run (args: readonly string[], environment: Readonly<Record<string, string>>, stdin: string | null): Promise<Outcome> {
  const [command, ...first] = program as [string, ...string[]]
  const child = spawn(command, [...first, ...args], { env: { PATH: process.env.PATH, TZ: 'UTC', LANG: 'C.UTF-8', FLOTILLA_NODE: process.execPath, ...environment } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  // A program that reads nothing may be gone already.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin ?? '')
  const [exit] = await once(child, 'close') as [number | null]
  return { exit, stdout, stderr: withoutLogLines(stderr) }
}

/** The contract compares what is not log. */
function withoutLogLines (text: string): string {
  return text.replace(/^(?:\d{4}-\d\d-\d\dT[\d:.]+Z\t.*|\{"level":.*\})\n/gm, '')
}

function writeFolder (name: string, init: string, without: readonly string[] = []): void {
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [file, content] of Object.entries(inits.get(init)?.files ?? {})) {
    if (content !== null && content.text !== undefined && !without.includes(file)) writeFileSync(join(folder, file), content.text, { mode: Number(content.mode) })
  }
}

let heldLock: FolderLock | undefined
const server = createServer((request, response) => {
  if (request.url === '/none') response.writeHead(404).end('nothing here')
  else if (request.url === '/redir.json') response.end('{"source":"http://127.0.0.1:1/ok.json"}')
  else response.end(inits.get('init-default')?.files['service.json']?.text)
})

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  mkdirSync(join(root, 'home'))
  writeFolder('i/identity-only', 'init-identity-only', ['service.json', 'peerstore'])
  writeFolder('i/raft', 'init-raft')
  writeFolder('A', 'init-default')
  writeFolder('stopped', 'init-default')
  for (const [name, path] of [['src-404', 'none'], ['src-redirect', 'redir.json'], ['src-ok', 'ok.json']] as const) {
    writeFolder(name, 'init-default', ['service.json'])
    writeFileSync(join(root, name, 'service.json'), JSON.stringify({ source: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}` }))
  }
})

after(() => {
  heldLock?.release()
  server.close()
  rmSync(root, { recursive: true, force: true })
})

/** What stood before the run, for those recordings whose folder is not made by an earlier one. */
async function prepare (recording: Recording): Promise<void> {
  const { id } = recording
  // All of these ran on one folder, beside a daemon or not.
  if (id.startsWith('service-lock-held')) heldLock ??= await lockFolder(join(root, 'A'))
  else if (recording.argv.includes('<DIR>/A')) {
    heldLock?.release()
    heldLock = undefined
  }
  if (/init-again|daemon-bad-bootstrap/.test(id) && !existsSync(join(root, 'i/default/service.json'))) writeFolder('i/default', 'init-default')
  if (id === 'service-init-default') rmSync(join(root, 'i/default'), { recursive: true, force: true })
  if (id === 'service-state-import-no') cpSync(join(root, 'stopped'), join(root, 'A'), { recursive: true })
}

for (const [id, recording] of recordings) {
  const later = notYet.find(([pattern]) => pattern.test(id))?.[1]
  test(id, { skip: later ?? false }, async () => {
    await prepare(recording)
    const local = (text: string): string => text.replaceAll('<DIR>', root)
    const environment = Object.fromEntries(Object.entries(recording.env).map(([name, value]) => [name, local(value)]))
    const outcome = await run(recording.argv.slice(1).map(local), environment, recording.stdin)
    const adapt = deviations[id]?.stdout ?? (text => text)
    assert.equal(adapt(outcome.stdout), adapt(local(recording.stdout)))
    assert.equal(outcome.stderr, local(recording.stderr))
    assert.equal(outcome.exit, recording.exit)
    if (id.startsWith('service-init')) compareFiles(id.replace('service-', ''), local(recording.argv[2] ?? ''))
  })
}

test('export, import and cleanup, one after the other as they were recorded', { skip: goldenMissing }, async () => {
  const folder = join(root, 'A')
  const environment = { HOME: join(root, 'home') }
  heldLock?.release()
  heldLock = undefined
  const recorded = (name: string): Recording => recordings.get(`service-${name}`) as Recording
  const replay = async (name: string, stdin: string | null = null): Promise<Outcome> =>
    await run(recorded(name).argv.slice(1).map(text => text.replaceAll('<DIR>', root)), environment, stdin)
  const silent = { exit: 0, stdout: '', stderr: '' }
  // The reference lists in the order of its store.
  const lines = (text: string): string[] => text.split('\n').toSorted()

  const first = await run(['-c', folder, 'state', 'import', '-f'], environment, recorded('state-export').stdout)
  assert.deepEqual(first, { ...silent, stdout: 'reading from stdin, Ctrl-D to finish\n' })
  const exported = await replay('state-export')
  assert.deepEqual(lines(exported.stdout), lines(recorded('state-export').stdout))
  assert.equal(exported.exit, 0)

  assert.deepEqual(await replay('state-export-file'), silent)
  assert.deepEqual(lines(readFileSync(join(root, 'exp.ndjson'), 'utf8')), lines(recorded('state-export').stdout))

  assert.deepEqual(await replay('state-import-file'), silent)
  assert.deepEqual(lines((await replay('state-export-after-import')).stdout), lines(recorded('state-export-after-import').stdout))

  // The reference has removed the pinset by the time it finds that the input is none; we keep it.
  const { exit, stdout, stderr } = recorded('state-import-not-json')
  assert.deepEqual(await replay('state-import-not-json', 'hello\n'), { exit, stdout, stderr })
  assert.deepEqual(lines((await replay('state-export')).stdout), lines(recorded('state-export-after-import').stdout))

  assert.deepEqual(await replay('state-cleanup-force'), silent)
  assert.deepEqual(await replay('state-export-empty'), silent)
  assert.deepEqual(await replay('source-ok'), silent)
})

/** The files of an init, but for what is random. */
function compareFiles (init: string, folder: string): void {
  const files = inits.get(init)?.files
  if (files === undefined) return
  const random = (text: string): string => init === 'init-randomports' ? text.replace(/(tcp|udp)\/(?!5001)\d{4,5}/g, '$1/port') : text
  for (const [name, content] of Object.entries(files)) {
    if (content === null || content.text === undefined || name === 'cluster.lock') continue
    const path = join(folder, name)
    assert.equal(`0o${(statSync(path).mode & 0o777).toString(8)}`, content.mode, name)
    const text = readFileSync(path, 'utf8')
    if (name === 'identity.json') assert.match(text, /^\{\n {4}"id": "12D3KooW\w+",\n {4}"private_key": "[\w+/]+=*"\n\}$/)
    else assert.equal(random(text), random(content.text), name)
  }
}

test('recordings of the service were found', { skip: goldenMissing }, () => {
  assert.ok(recordings.size > 50)
  for (const id of Object.keys(deviations)) assert.ok(recordings.has(id), id)
})

test('no line of help is wider than 120 columns', async () => {
  const environment = { HOME: join(root, 'a-rather-long-name-of-a-home-folder', 'to-make-lines-wide') }
  for (const args of [['help'], ['init', '--help'], ['daemon', '--help'], ['state', '--help'], ['state', 'import', '--help'], ['state', 'export', '--help'], ['state', 'cleanup', '--help'], ['version', '--help']]) {
    const { stdout, exit } = await run(args, environment, null)
    assert.equal(exit, 0, args.join(' '))
    assert.ok(stdout.startsWith('NAME:'), args.join(' '))
    for (const line of stdout.split('\n')) assert.ok(line.length <= 120, `${args.join(' ')}: ${line}`)
  }
})

test('a wrong value is told with section, key, value and what is allowed, before the error', async () => {
  const [command, ...first] = program as [string, ...string[]]
  assert.equal((await run(['-c', join(root, 'wrong'), 'init'], {}, null)).exit, 0)
  const path = join(root, 'wrong', 'service.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"read_header_timeout": "5s"', '"read_header_timeout": "-5s"'))
  const child = spawn(command, [...first, '-c', join(root, 'wrong'), 'state', 'export'], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, FLOTILLA_NODE: process.execPath } })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const [exit] = await once(child, 'close') as [number | null]
  assert.equal(exit, 1)
  assert.match(stderr, /\tERROR\tconfig\tapi\.ipfsproxy\.read_header_timeout is "-5s"; allowed: 0 or more\n/)
  assert.match(stderr, /error loading configurations: ipfsproxy\.read_header_timeout is invalid\n$/)
})
