import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { DaemonOptions, RunDaemon } from '../../cluster/daemon.ts'
import { ClusterError } from '../../domain/errors.ts'
import { lockFolder } from '../../platform/folder-lock.ts'
import type { Output } from '../command-line/terminal.ts'
import { runService, type Outcome } from './run-in-process.fixture.ts'
import { StopSignals } from './stop-signals.ts'
import { unservedParts } from './unserved.ts'

const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn'
const bootstrap = `/ip4/127.0.0.1/tcp/1/p2p/${peer}`

async function withPeer (t: TestContext, initArgs: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'daemon-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  assert.equal((await runService(['-c', folder, 'init', ...initArgs], {})).exit, 0)
  const started: DaemonOptions[] = []
  /** A peer that stops by itself at once. */
  const runDaemon: RunDaemon = async options => {
    started.push(options)
    return { stopped: Promise.resolve() }
  }
  const run = (args: readonly string[], parts: { runDaemon: RunDaemon } = { runDaemon }): Promise<Outcome> => runService(['-c', folder, 'daemon', ...args], { parts })
  const change = (edit: (json: Record<string, Record<string, unknown>>) => void): void => {
    const path = join(folder, 'service.json')
    const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>
    edit(json)
    writeFileSync(path, JSON.stringify(json))
  }
  return { folder, started, run, change }
}

const quiet = { exit: 0, stdout: '', stderr: '' }

test('init says once what is wrong with an identity of the environment', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'init-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const { exit, stderr } = await runService(['-c', folder, 'init'], { environment: { CLUSTER_ID: peer } })
  assert.deepEqual([exit, stderr], [1, `configuration written to ${folder}/service.json.\nerror applying environment variables to the identity: identity ID does not match the private_key\n`])
})

test('a peer is started with what the folder says', async t => {
  const { folder, started, run } = await withPeer(t)
  assert.deepEqual(await run([]), quiet)
  const [options] = started
  assert.ok(options !== undefined)
  assert.equal(options.configuration.folder, folder)
  assert.equal(options.identity.id, (JSON.parse(readFileSync(join(folder, 'identity.json'), 'utf8')) as { id: string }).id)
  assert.equal(options.configuration.observations.metrics.enableStats, false)
  assert.equal(options.configuration.consensus.crdt.trustedPeers, 'all')
  assert.deepEqual(options.bootstrap, [])
  const free = await lockFolder(folder)
  free.release()
})

test('flags change the configuration of the run', async t => {
  const { started, run } = await withPeer(t, ['--peers', '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWN4XQAV3ndYpY7kxq77CNjRVCVJh9mk2WH9CgaY4xVQun', '--embedded'])
  assert.deepEqual(await run(['--stats', '--tracing', '--leave', '--upgrade', '--public-network', '--bootstrap', ` ${bootstrap} , ${bootstrap}`]), quiet)
  assert.deepEqual(await run(['--no-trust', '-j', bootstrap]), quiet)
  const [first, second] = started.map(({ configuration }) => configuration)
  assert.equal(first?.observations.metrics.enableStats, true)
  assert.equal(first.observations.tracing.enableTracing, true)
  assert.equal(first.cluster.leaveOnShutdown, true)
  assert.equal(first.ipfsConnector.embedded.publicNetwork, true)
  assert.deepEqual(first.consensus.crdt.trustedPeers, ['12D3KooWN4XQAV3ndYpY7kxq77CNjRVCVJh9mk2WH9CgaY4xVQun', peer])
  assert.deepEqual(started[0]?.bootstrap, [bootstrap, bootstrap])
  assert.equal(second?.consensus.crdt.trustedPeers.length, 1)
})

test('what is not served though the file asks for it is named', async t => {
  const { run, change, started } = await withPeer(t)
  const unserved = async (): Promise<string[]> => {
    await run([])
    return unservedParts(started.at(-1)?.configuration ?? assert.fail('not started'))
  }
  assert.deepEqual(await unserved(), ['api.ipfsproxy', 'api.pinsvcapi'])
  const { id, private_key: privateKey } = JSON.parse(readFileSync(join(started[0]?.configuration.folder ?? '', 'identity.json'), 'utf8')) as Record<string, string>
  change(json => { json.api = { restapi: { libp2p_listen_multiaddress: '/ip4/127.0.0.1/tcp/0', id, private_key: privateKey } } })
  assert.deepEqual(await unserved(), ['api.restapi.libp2p_listen_multiaddress'])
  change(json => { delete json.api })
  assert.deepEqual(await unserved(), [])
})

test('a configuration with which no peer can run is refused', async t => {
  const refusal = async (edit: (json: Record<string, Record<string, unknown>>) => void): Promise<string> => {
    const { run, change, started } = await withPeer(t)
    change(edit)
    const { exit, stderr } = await run([])
    assert.equal(exit, 1)
    assert.deepEqual(started, [])
    return stderr
  }
  assert.equal(await refusal(json => { delete json.consensus }), 'error creating state manager: could not determine the consensus component\n')
  assert.equal(await refusal(json => { (json.datastore as Record<string, unknown>).leveldb = {} }), 'error creating datastore: unknown datastore\n')
  assert.equal(await refusal(json => { delete json.informer }), 'error starting cluster: no informers are passed\n')
  assert.match(await refusal(json => { (json.ipfs_connector as Record<string, unknown>).embedded = {} }), /^error creating IPFS Connector component: service\.json has both/)
  assert.equal(await refusal(json => { json.cluster = { listen_multiaddress: [] } }), 'error loading configurations: cluster.listen_multiaddress is undefined\n')
})

test('without an allocator section pins go where there is space', async t => {
  const { run, change, started } = await withPeer(t)
  change(json => { delete json.allocator })
  assert.deepEqual(await run([]), quiet)
  assert.deepEqual(started[0]?.configuration.allocator.balanced.allocateBy, ['freespace'])
})

test('what keeps a peer from starting or stopping is said', async t => {
  const { folder, run } = await withPeer(t)
  const failing = (error: Error): { runDaemon: RunDaemon } => ({ runDaemon: async () => { throw error } })
  assert.deepEqual(
    await run([], failing(new ClusterError('ADDRESS_IN_USE', 'listen tcp4 127.0.0.1:9094: bind: address already in use', { details: { doing: 'creating REST API component' } }))),
    { exit: 1, stdout: '', stderr: 'error creating REST API component: listen tcp4 127.0.0.1:9094: bind: address already in use\n' },
  )
  assert.deepEqual(await run([], failing(new Error('why not'))), { exit: 1, stdout: '', stderr: 'error starting cluster: why not\n' })
  assert.deepEqual(
    await run([], { runDaemon: async () => ({ stopped: Promise.reject(new Error('stuck')) }) }),
    { exit: 1, stdout: '', stderr: 'error shutting down cluster: stuck\n' },
  )
  const free = await lockFolder(folder)
  free.release()
})

test('a signal stops a running peer, and one that is still starting', async t => {
  const { run } = await withPeer(t)
  const untilStopped = (signal: AbortSignal): Promise<void> => new Promise(resolve => { signal.addEventListener('abort', () => { resolve() }) })
  assert.deepEqual(await run([], {
    runDaemon: async ({ signal }) => {
      const stopped = untilStopped(signal)
      process.emit('SIGTERM')
      return { stopped }
    },
  }), quiet)
  assert.deepEqual(await run([], {
    runDaemon: async ({ signal }) => {
      process.emit('SIGHUP')
      signal.throwIfAborted()
      assert.fail('not aborted')
    },
  }), quiet)
})

test('the first signal stops, the second warns, the third ends the process', async () => {
  const exits: number[] = []
  const source = Object.assign(new EventEmitter(), { exit: (code: number) => { exits.push(code) } })
  let stderr = ''
  const output: Output = { isTerminal: false, columns: undefined, write: async text => { stderr += text } }
  let now = 0
  const signals = new StopSignals(source, output, { monotonic: () => now })
  // What nobody listens to Node.js acts upon.
  for (const name of ['SIGUSR1', 'SIGUSR2']) assert.ok(source.emit(name, name))
  assert.equal(signals.stop.aborted, false)
  // As the terminal sends it to the whole group and a launcher passes it on.
  source.emit('SIGINT', 'SIGINT')
  source.emit('SIGINT', 'SIGINT')
  assert.equal(signals.stop.aborted, true)
  assert.equal(stderr, '')
  now = 5_000
  source.emit('SIGINT', 'SIGINT')
  assert.match(stderr, /^\n\n\n!{73}\nShutdown is taking too long! Press Ctrl-c again to manually kill cluster\.\nNote that this may corrupt the local cluster state\.\n!{73}\n\n\n$/)
  assert.deepEqual(exits, [])
  source.emit('SIGHUP', 'SIGHUP')
  await new Promise(setImmediate)
  assert.ok(stderr.endsWith('exiting cluster NOW'))
  assert.deepEqual(exits, [1])
  signals[Symbol.dispose]()
  assert.deepEqual(source.eventNames(), [])
})
