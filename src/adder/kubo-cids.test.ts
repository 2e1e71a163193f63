import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { importUnixFs, type ImportOptions } from './import-unixfs.ts'
import { folders, kuboCids, type Case } from './kubo-cids.fixture.ts'
import { collect, generatedContent, plainAddOptions, upload, type FixtureEntry } from './uploads.fixture.ts'

const kubo = process.env.FLOTILLA_KUBO
const run = promisify(execFile)

function optionsOf (one: Case): ImportOptions {
  return { ...plainAddOptions, ...one.options }
}

function entriesOf (one: Case): readonly FixtureEntry[] {
  if (one.folder !== undefined) return [{ path: 'd', kind: 'directory' }, ...(folders[one.folder] as () => FixtureEntry[])()]
  return [{ path: 'f', content: one.zeros === true ? Buffer.alloc(one.bytes) : generatedContent(7, one.bytes) }]
}

function titleOf (one: Case): string {
  const what = one.folder ?? `${one.bytes} ${one.zeros === true ? 'zeros' : 'bytes'}`
  return [what, ...Object.entries(one.options).map(([name, value]) => `${name}=${value}`)].join(' ')
}

describe('CIDs measured on Kubo', () => {
  for (const one of kuboCids) {
    test(titleOf(one), async () => {
      const events = await collect(importUnixFs(upload(entriesOf(one)), optionsOf(one), { put: () => undefined }))
      const last = events.at(-1)
      assert.equal(last?.kind === 'entry' ? last.cid : undefined, one.cid)
    })
  }
})

describe('CIDs of the Kubo here', { skip: kubo === undefined && 'FLOTILLA_KUBO is not set' }, () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubo-cids-'))
    await run(kubo as string, ['init', '--profile=test'], { env: { ...process.env, IPFS_PATH: join(folder, 'repo') } })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function onDisk (entries: readonly FixtureEntry[]): Promise<string> {
    const root = await mkdtemp(join(folder, 'upload-'))
    for (const { path, kind = 'file', content = '' } of entries) {
      const place = join(root, path)
      await mkdir(dirname(place), { recursive: true })
      if (kind === 'directory') await mkdir(place, { recursive: true })
      else if (kind === 'symlink') await symlink(String(content), place)
      else await writeFile(place, content)
    }
    return root
  }

  async function cidOfKubo (one: Case): Promise<string> {
    const { layout, chunker, hash, cidVersion, rawLeaves, wrap } = optionsOf(one)
    const root = await onDisk(entriesOf(one))
    const flags = [`--chunker=${chunker}`, `--trickle=${layout === 'trickle'}`, `--hash=${hash}`, `--cid-version=${cidVersion}`, `--raw-leaves=${rawLeaves}`, `--wrap-with-directory=${wrap}`]
    const name = one.folder === undefined ? 'f' : 'd'
    const { stdout } = await run(kubo as string, ['add', '-Q', '-r', '--only-hash', ...flags, join(root, name)], { env: { ...process.env, IPFS_PATH: join(folder, 'repo') } })
    await rm(root, { recursive: true })
    return stdout.trim()
  }

  for (const one of kuboCids) {
    test(titleOf(one), async () => {
      assert.equal(await cidOfKubo(one), one.cid)
    })
  }
})
