import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { goldenPath, missingGolden } from './golden.ts'
import { startGoldenPeers, type GoldenPeers } from './golden-peers.ts'

/** What the tool checks instead of the recording. */
interface Rule { readonly status: number, readonly single?: boolean, readonly contains?: string }

/** Answers that differ from the recordings on purpose, beside those of the tool's own list, and what they are instead. */
const deviations: Readonly<Record<string, Rule & { readonly why: string }>> = {
  'rest-pin-direct': { why: 'mode=direct makes a direct pin, by CID too: the reference says so and stores a recursive one', status: 200, single: true, contains: '"max_depth":0' },
  'rest-pin-expire-both': { why: 'times are told in UTC: the reference repeats the zone in which it was asked', status: 200, single: true, contains: '"expire_at":"2099-01-02T01:04:05Z"' },
}

/**
 * Scenarios whose answer also depends on what the ones before have left of failed unpins; the
 * tests below say exactly what is answered then.
 */
const comparedBelow: Readonly<Record<string, string>> = {
  'down-status-all': 'the pinset is listed and the error told: the reference answers an empty 204',
  'down-status-local': 'failed unpins are listed before the error: the reference tells the error alone',
  'down-recover-local': 'the error is told: the reference answers an empty 204',
}

const kubo = process.env.FLOTILLA_KUBO
const skip = missingGolden('http') || (kubo === undefined ? 'no Kubo (FLOTILLA_KUBO)' : false)

describe('the REST API beside the recordings of the reference', { skip }, () => {
  let folder = ''
  let peers: GoldenPeers | undefined
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-rest-'))
    const peersFolder = join(folder, 'peers')
    await mkdir(peersFolder)
    peers = await startGoldenPeers(peersFolder, fileURLToPath(new URL('../../bin/ipfs-cluster-service', import.meta.url)), kubo ?? '')
  })
  after(async () => {
    await peers?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const down = (method: string, path: string): Promise<Answer> => ask(method, `${peers?.bases['down-rest']}${path}`)
  const cid = 'bafkreigtcrgomcmuie37boxw5nl2cb2bswcucx56fyvxdr5t7sgi6v4osq'
  const unreachable = /^could not get pinset from IPFS: Post "http:\/\/127\.0\.0\.1:\d+\/api\/v0\/pin\/ls\?[^"]*": dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/

  test('without an IPFS node and without anything to list, the error is the answer', async () => {
    for (const [method, path] of [['GET', '/pins'], ['GET', '/pins?local=true'], ['POST', '/pins/recover'], ['POST', '/pins/recover?local=true']] as const) {
      const answer = await down(method, path)
      assert.equal(answer.status, 500, path)
      assert.match((answer.values[0] as { message: string }).message, unreachable)
    }
  })

  test('without an IPFS node, the pinset is listed and the trailer tells that it is not complete', async () => {
    assert.equal((await down('POST', `/pins/${cid}?name=lost`)).status, 200)
    await until(async () => statusIn((await down('GET', `/pins/${cid}`)).values[0]) === 'pin_error')
    for (const path of ['/pins', '/pins?local=true']) {
      const listed = await down('GET', path)
      assert.equal(listed.status, 200)
      assert.deepEqual(listed.values.map(value => (value as { cid: string }).cid), [cid])
      // It may just have another try.
      assert.match(statusIn(listed.values[0]) ?? '', /^(?:pin_error|pin_queued|pinning)$/)
      assert.equal(listed.streamErrors[0], '')
      assert.match(listed.streamErrors[1] ?? '', unreachable)
    }
    const recovered = await down('POST', '/pins/recover?local=true')
    assert.equal(recovered.status, 200)
    assert.deepEqual(recovered.values.map(value => (value as { cid: string }).cid), [cid])
    assert.match(recovered.streamErrors[1] ?? '', unreachable)
    assert.equal((await down('DELETE', `/pins/${cid}`)).status, 200)
  })

  test('all other answers are those of the recordings', { timeout: 500_000 }, async t => {
    const { output, mismatches } = await compareAll(folder, peers as GoldenPeers)
    t.diagnostic(output.trimEnd().split('\n').at(-1) ?? '')
    for (const id of mismatches) t.diagnostic(`${id}: ${comparedBelow[id] ?? 'not explained'}`)
    assert.match(output, /^\d{3} of \d{3} match/m, output)
    assert.deepEqual(mismatches.filter(id => !(id in comparedBelow)), [], output)
  })
})

/** Replays all scenarios of the REST API with the recordings' own tool. */
async function compareAll (folder: string, { bases }: GoldenPeers): Promise<{ output: string, mismatches: string[] }> {
  const known = JSON.parse(await readFile(goldenPath('tools/deviations.json'), 'utf8')) as object
  const deviationsFile = join(folder, 'deviations.json')
  await writeFile(deviationsFile, JSON.stringify({ ...known, ...deviations }))
  const args = [
    goldenPath('tools/record-http.mjs'), '--compare', goldenPath('http'), '--deviations', deviationsFile,
    ...Object.entries(bases).flatMap(([name, url]) => ['--base', `${name}=${url}`]),
  ]
  const output = await new Promise<string>(resolve => {
    // A mismatch makes it fail: what it says is judged by the caller.
    execFile(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 }, (_, stdout, stderr) => { resolve(stdout + stderr) })
  })
  return { output, mismatches: [...output.matchAll(/^MISMATCH (\S+)/gm)].map(([, id = '']) => id) }
}

interface Answer {
  readonly status: number | undefined
  /** The JSON values of the body. */
  readonly values: readonly unknown[]
  /** The values of the trailer `X-Stream-Error`, in their order. */
  readonly streamErrors: readonly string[]
}

/** `fetch` tells nothing of trailers. */
function ask (method: string, url: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { method, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('error', reject).on('end', () => {
        const { statusCode: status, rawTrailers } = response
        resolve({
          status,
          values: text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown),
          streamErrors: rawTrailers.filter((_, i) => i % 2 === 1),
        })
      })
    }).on('error', reject).end()
  })
}

function statusIn (info: unknown): string | undefined {
  return Object.values((info as { peer_map: Record<string, { status: string }> }).peer_map)[0]?.status
}

/** The runner ends the test when this never comes. */
async function until (condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await sleep(50)
}
