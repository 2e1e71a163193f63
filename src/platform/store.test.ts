import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLevelDbStore } from './leveldb-store.ts'
import { memoryStore } from './memory-store.ts'
import type { Store } from './store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value)

async function withFolder (work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What every store promises. */
async function conformance (store: Store): Promise<void> {
  assert.equal(await store.get('/none'), undefined)
  await store.batch([{ type: 'put', key: '/a/2', value: bytes('two') }, { type: 'put', key: '/a/1', value: bytes('one') }, { type: 'put', key: '/b/1', value: bytes('') }], { sync: true })
  assert.equal(text(await store.get('/a/1')), 'one')
  assert.equal(text(store.getSync('/a/2')), 'two')
  assert.equal(store.getSync('/none'), undefined)
  assert.deepEqual((await store.getMany(['/a/2', '/x', '/b/1'])).map(text), ['two', undefined, ''])

  const listed = async (range: Parameters<Store['iterate']>[0]): Promise<string[]> => (await Array.fromAsync(store.iterate(range))).flat().map(entry => `${entry.key}=${text(entry.value)}`)
  assert.deepEqual(await listed({ gte: '/a/', lt: '/a0' }), ['/a/1=one', '/a/2=two'])
  assert.deepEqual(await listed({ gt: '/a/1' }), ['/a/2=two', '/b/1='])
  assert.deepEqual(await listed({ reverse: true, limit: 2 }), ['/b/1=', '/a/2=two'])
  assert.deepEqual((await Array.fromAsync(store.keys({ lte: '/a/2' }))).flat(), ['/a/1', '/a/2'])

  assert.deepEqual(await store.keysUnder(['/b/', '/a/', '/x'], 9), [['/b/1'], ['/a/1', '/a/2'], []])
  assert.deepEqual(await store.keysUnder(['/a/'], 1), [['/a/1']])

  const snapshot = store.iterate({})
  await store.batch([{ type: 'del', key: '/a/1' }, { type: 'put', key: '/c', value: bytes('late') }], { sync: false })
  assert.deepEqual((await Array.fromAsync(snapshot)).flat().map(entry => entry.key), ['/a/1', '/a/2', '/b/1'], 'an iteration sees the store as of the call')
  assert.deepEqual((await Array.fromAsync(store.keys({}))).flat(), ['/a/2', '/b/1', '/c'])
  await store.clear({ gte: '/a/', lt: '/b0' })
  assert.deepEqual((await Array.fromAsync(store.keys({}))).flat(), ['/c'])
  await store.close()
}

test('the memory store keeps the promises of a store', () => conformance(memoryStore()))

test('the LevelDB store keeps the promises of a store', () => withFolder(async folder => {
  await conformance(await openLevelDbStore(folder))
  const again = await openLevelDbStore(folder)
  assert.equal(text(await again.get('/c')), 'late')
  await again.close()
}))

test('a second open of the same folder is refused', () => withFolder(async folder => {
  const store = await openLevelDbStore(folder)
  await assert.rejects(openLevelDbStore(folder), { code: 'FOLDER_LOCKED' })
  await store.close()
}))

test('a damaged store is refused with advice', () => withFolder(async folder => {
  const store = await openLevelDbStore(folder)
  await store.batch([{ type: 'put', key: '/a', value: bytes('one') }], { sync: true })
  await store.close()
  const manifest = (await readdir(folder)).find(name => name.startsWith('MANIFEST'))
  await writeFile(join(folder, manifest as string), 'not a manifest')
  await assert.rejects(openLevelDbStore(folder), error => (error as { code: string }).code === 'STORE_DAMAGED' && /state import/.test((error as Error).message))
}))
