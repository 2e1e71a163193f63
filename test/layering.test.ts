import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('../src', import.meta.url))

/** Folders that each folder may import from, besides itself (ARCHITECTURE.md 1). */
const everyone = ['domain', 'codec', 'platform']
const allowed: Record<string, readonly string[]> = {
  domain: [],
  codec: ['domain'],
  platform: ['domain', 'codec'],
  config: everyone,
  rpc: [...everyone, 'ipfs'],
  state: everyone,
  ipfs: everyone,
  consensus: [...everyone, 'state'],
  tracker: [...everyone, 'state', 'ipfs', 'consensus/consensus.ts'],
  allocator: everyone,
  monitor: everyone,
  informer: everyone,
  adder: [...everyone, 'ipfs'],
  cluster: [...everyone, 'config', 'rpc', 'state', 'ipfs', 'consensus', 'tracker', 'allocator', 'monitor', 'informer', 'adder'],
  'peer.ts': [...everyone, 'config', 'cluster', 'consensus', 'api'],
  simulation: [...everyone, 'config', 'rpc', 'state', 'ipfs', 'consensus', 'tracker', 'allocator', 'monitor', 'informer', 'adder', 'cluster'],
  api: [...everyone, 'cluster/operations.ts', 'adder', 'config'],
  client: ['domain', 'codec'],
  cli: [...everyone, 'config', 'client', 'cluster', 'state', 'peer.ts'],
}

test('imports go down only', async () => {
  const broken: string[] = []
  let seen = 0
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue
    const file = join(entry.parentPath, entry.name).slice(source.length + 1).replaceAll(sep, '/')
    const folder = file.split('/')[0] as string
    const text = await readFile(join(source, file), 'utf8')
    for (const [, target = ''] of text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      const imported = normalize(join(dirname(file), target)).replaceAll(sep, '/')
      const into = imported.split('/')[0] as string
      seen++
      const may = allowed[folder]
      if (into === folder || may?.some(name => name === into || name === imported) === true) continue
      broken.push(`${file} imports ${imported}`)
    }
  }
  assert.ok(seen > 100, 'the sources were found')
  assert.deepEqual(broken, [])
})
