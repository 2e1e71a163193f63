import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { manifestState } from './leveldb-files.ts'
import { openLevelDbStore } from './leveldb-store.ts'
import type { Store } from './store.ts'

async function folderOf (t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leveldb-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function logSizes (folder: string): Promise<number[]> {
  const logs = (await readdir(folder)).filter(name => name.endsWith('.log'))
  return Promise.all(logs.map(async name => (await stat(join(folder, name))).size))
}

const write = (store: Store, key: string): Promise<void> => store.batch([{ type: 'put', key, value: new Uint8Array(100) }], { sync: true })

test('a folder that was closed has nothing in its log, of which the Go program would pass over what is older than a table', async t => {
  const folder = await folderOf(t)
  for (const [opening, keys] of [['/a', '/b'], ['/c'], [], ['/d', '/\u{10ffff}']].entries()) {
    const store = await openLevelDbStore(folder)
    for (const key of keys) await write(store, key)
    await store.close()
    assert.deepEqual(await logSizes(folder), [0], `opening ${opening}`)
  }
  const store = await openLevelDbStore(folder)
  assert.deepEqual((await Array.fromAsync(store.keys({}))).flat().toSorted(), ['/a', '/b', '/c', '/d', '/\u{10ffff}'])
  await store.close()
  await store.close()
})

test('so it has nothing there when nobody writes and the last table or compaction came after the log began, and not else', async t => {
  const folder = await folderOf(t)
  const store = await openLevelDbStore(folder)
  t.after(() => store.close())
  const before = manifestState(folder)
  await write(store, '/a')
  for (let i = 0; i < 3; i++) await store.rest?.()
  const [small = 0, ...others] = await logSizes(folder)
  assert.ok(small > 0)
  assert.deepEqual(others, [])

  // As much as makes a table.
  for (let i = 0; i < 20; i++) await store.batch([{ type: 'put', key: `/large/${i}`, value: new Uint8Array(500_000).fill(i) }], { sync: false })
  while (manifestState(folder) === before) await new Promise(setImmediate)
  await write(store, '/b')
  await store.rest?.()
  assert.ok(Math.max(...await logSizes(folder)) > 0)
  await store.rest?.()
  assert.deepEqual(await logSizes(folder), [0])
  assert.equal((await store.get('/b'))?.length, 100)
})
