import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { comparable, replay, runCtl, type CtlRecording, type Replacements } from './ctl-recording.ts'
import { missingGolden, readGolden } from './golden.ts'
import { freePorts } from '../../scripts/free-ports.ts'
import { startPeer, type PeerProcess } from './peer-process.ts'

const recordings = readGolden<CtlRecording>('cli', 'ctl-')
const skip = missingGolden('cli')
const recordedPort = '22094'
const recordedDownPort = '22999'

const folder = await mkdtemp(join(tmpdir(), 'flotilla-ctl-'))
after(() => rm(folder, { recursive: true, force: true }))
await writeContent(join(folder, 'data'))

/** The content that was added in the recordings. */
async function writeContent (data: string): Promise<void> {
  await mkdir(join(data, 'dir', 'sub'), { recursive: true })
  const files = { 'hello.txt': 'hello cluster\n', 'dir/a.txt': 'a\n', 'dir/sub/b.txt': 'b\n', 'dir/.hid': 'h\n', 'dd.txt': 'direct\n' }
  for (const [name, text] of Object.entries(files)) await writeFile(join(data, name), text)
  await writeFile(join(data, 'big.bin'), Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i % 256))
}

function recordingOf (name: string): CtlRecording {
  const recording = recordings.get(`ctl-${name}`)
  assert.ok(recording !== undefined, `no recording ctl-${name}`)
  return recording
}

describe('ctl without a peer', { skip }, () => {
  for (const [name, recording] of recordings) {
    if (recording.setup !== 'none' && !name.startsWith('ctl-down-')) continue
    test(name, async () => {
      const [downPort] = await freePorts(1)
      const run = await replay(recording, [[recordedDownPort, String(downPort)], ['<DIR>', folder]])
      assert.deepEqual(run, { exit: recording.exit, stdout: recording.stdout, stderr: recording.stderr })
    })
  }
})

/** A recording to replay, or words for our own command that bring the peer where the recordings found theirs. */
type Step = string | { readonly prepare: string } | { readonly within: string }

const absent = 'QmdmQXB2mzChmMeKY47C43LxUdg1NDJ5MWcKMKxDu7RgQm'
const hello = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
const big = 'QmNVwWg6N5yixbSukgRFyXez5HdRY52RhEbg823ejW3cHn'

/** In the order in which the recordings were made; `within`: a lone peer gives some of the recorded blocks. */
const steps: readonly Step[] = [
  'version-json', 'debug', 'hosts-failover', 'id', { within: 'peers-ls' }, 'peers-rm-crdt',
  'pin-ls-empty', 'pin-ls-empty-json', 'pin-ls-filter-meta', 'status-empty',
  'add-bad-car', 'add-bad-format', 'add-bad-hash',
  'add-two', 'add-cidv1', 'add-dir', 'add-dir-hidden-quiet', 'add-dir-quieter', 'add-dir-nostream-quieter-json', 'add-file-nostream-json',
  'add-hash', 'add-no-pin', 'add-quiet-big', 'add-wrap', 'add-local', 'add-quiet',
  { prepare: 'add --layout trickle --chunker size-1024 <DIR>/data/big.bin' },
  'pin-ls', 'pin-ls-cid-json', 'pin-ls-cid-notfound',
  'pin-add', 'pin-add-json', 'pin-add-direct', 'pin-add-nostatus', 'pin-add-nostatus-json',
  'pin-add-badrf', 'pin-add-badrf-neg', 'pin-add-toomany', 'pin-add-toomany-json', 'pin-add-expire', 'pin-add-expire-short', 'pin-add-allocs',
  { prepare: `pin add --ns ${hello}` }, 'pin-add-path',
  { prepare: `pin add --wait ${hello}` }, { prepare: `pin add --wait -r -1 ${big}` },
  'pin-add-wait-timeout', { within: 'status' }, 'status-filter-pinned', 'status-filter-bad-one', 'status-cid', 'status-cid-json',
  'recover-cid', 'recover-notfound', 'status-notfound',
  'health-metrics-freespace', 'health-metrics-freespace-json', 'health-metrics-pinqueue', 'health-metrics-unknown', 'health-metrics-unknown-json',
  'health-alerts-json', 'health-graph-badfile', 'health-graph-file', 'deadpeer-graph', 'ipfs-gc', 'ipfs-gc-json',
  'pin-update', 'pin-update-nostatus', 'pin-rm-nostatus', 'pin-rm-again', 'pin-rm',
  { prepare: `pin rm --wait ${hello}` }, 'trailing-flag',
  'direct-add-nopin', 'direct-pin', 'direct-status-one',
]

/** Recordings that need what a lone peer with a healthy IPFS node is not. */
const elsewhere: Readonly<Record<string, string>> = {
  'deadpeer-alerts': 'needs a peer that died; the format is tested in format.test.ts',
  'deadpeer-status-all': 'the same as ctl-status with other items',
  'direct-status-all': 'the reference shows a direct pin as unexpectedly unpinned, a fault',
  'direct-recover': 'follows from the fault of direct-status-all',
  'health-bandwidth-json': 'traffic of a lone peer is empty; the format is tested in format.test.ts',
  'health-graph': 'needs two peers; compared in graph-text.test.ts',
  'health-graph-all': 'needs two peers; compared in graph-text.test.ts',
  'health-graph-json': 'needs two peers; compared in graph-text.test.ts',
  'raft-peers-rm-unknown': 'needs a Raft peer',
  'slow-pinqueue': 'needs an IPFS node that takes 15 s per pin',
  'slow-rm': 'needs an IPFS node that takes 15 s per pin',
  'slow-status-queued': 'needs an IPFS node that takes 15 s per pin',
  'slow-timeout-request': 'needs an IPFS node that takes 15 s per pin',
  'slow-wait-timeout': 'needs an IPFS node that takes 15 s per pin; the deadline is tested in wait-for-pin.test.ts',
}

test('every recording is replayed or has a reason not to be', { skip }, () => {
  const replayed = steps.flatMap(step => typeof step === 'string' ? [step] : 'within' in step ? [step.within] : [])
  const known = new Set([...replayed, ...Object.keys(elsewhere)].map(name => `ctl-${name}`))
  const missing = [...recordings].filter(([name, { setup }]) => setup !== 'none' && !name.startsWith('ctl-down-') && !known.has(name))
  assert.deepEqual(missing.map(([name]) => name), [])
})

/** Where the embedded node differs from the offline Kubo of the recordings, and what to do instead. */
const embeddedSteps = new Map<Step, Step>([
  // It goes on looking for content that nobody has until pin_timeout, the other gives up at once.
  ['pin-add-wait-timeout', { prepare: `pin add --ns -r 1 ${absent}` }],
])
const embeddedReasons: Readonly<Record<string, string>> = { status: 'shows the error of the Kubo of the recording' }

function replayAgainst (title: string, why: string | false, peer: { service: string, kubo: string | undefined }): void {
  describe(title, { skip: skip || why }, async () => {
    if (skip !== false || why !== false) return
    const peerFolder = join(folder, title.replaceAll(' ', '-'))
    await mkdir(peerFolder)
    let running: PeerProcess | undefined
    after(async () => { await running?.stop() })
    test('a peer starts', async () => {
      running = await startPeer({ ...peer, folder: peerFolder, peername: 'A' })
    })
    for (const recordedStep of steps) {
      const step = peer.kubo === undefined ? embeddedSteps.get(recordedStep) ?? recordedStep : recordedStep
      if (typeof step !== 'string' && 'prepare' in step) {
        test(`prepare: ${step.prepare}`, async t => {
          if (running === undefined) return t.skip('the peer did not start')
          const { exit, stdout } = await runCtl(['--host', `/ip4/127.0.0.1/tcp/${running.apiPort}`, ...step.prepare.replace('<DIR>', folder).split(' ')])
          assert.equal(exit, 0, stdout)
        })
        continue
      }
      const name = typeof step === 'string' ? step : step.within
      test(name, { skip: peer.kubo === undefined ? embeddedReasons[name] ?? false : false }, async t => {
        if (running === undefined) return t.skip('the peer did not start')
        const recording = recordingOf(name)
        const [downPort] = await freePorts(1)
        const replacements: Replacements = [[recordedPort, String(running.apiPort)], [recordedDownPort, String(downPort)], ['<DIR>', folder]]
        const run = await replay(recording, replacements)
        if (typeof step === 'string') assert.equal(comparable(run.stdout), comparable(recording.stdout))
        else assertWithin(comparable(run.stdout), comparable(recording.stdout))
        assert.equal(run.exit, recording.exit)
        assert.equal(run.stderr, recording.stderr)
        if (name === 'health-graph-file') assert.match(await readFile(join(folder, 'g.dot'), 'utf8'), /^digraph cluster \{/)
      })
    }
  })
}

/** Every line of ours is one of the recording, and there is at least one. */
function assertWithin (ours: string, recorded: string): void {
  const known = new Set(recorded.split('\n'))
  assert.deepEqual(ours.split('\n').filter(line => !known.has(line)), [])
  assert.notEqual(ours, '')
}

const { FLOTILLA_GO_BIN: goFolder, FLOTILLA_KUBO: kubo } = process.env
const root = fileURLToPath(new URL('../..', import.meta.url))
const ours = join(root, 'bin', 'ipfs-cluster-service')
const noKubo = kubo === undefined ? 'FLOTILLA_KUBO is not set' : false
replayAgainst('ctl against the reference', goFolder === undefined ? 'FLOTILLA_GO_BIN is not set' : noKubo, { service: join(goFolder ?? '', 'ipfs-cluster-service'), kubo })
replayAgainst('ctl against our peer with Kubo', noKubo, { service: ours, kubo })
replayAgainst('ctl against our peer', false, { service: ours, kubo: undefined })
