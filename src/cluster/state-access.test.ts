import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import fsPromises, { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createConfiguration } from '../config/create.ts'
import { createIdentity } from '../config/identity.ts'
import { cidFromBytes } from '../domain/cid.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { openLevelDbStore } from '../platform/leveldb-store.ts'
import { silentLoggers } from '../platform/logger.ts'
import { systemRandom } from '../platform/random.ts'
import type { StateAccess } from '../state/state-access.ts'
import { openStateAccess } from './state-access.ts'

const identity = createIdentity(systemRandom)

const pin = (n: number): Pin => {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(n * 2654435761 >>> 0)
  digest.writeUInt32BE(n, 28)
  return { ...pinWithOptions(cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), digest])), { ...defaultPinOptions, name: `pin ${n}`, replicationFactorMin: -1, replicationFactorMax: -1 }, 1_700_000_000_000), allocations: [] }
}

async function * batches (count: number, size: number, fails = false): AsyncGenerator<Pin[]> {
  for (let at = 0; at < count; at += size) yield Array.from({ length: Math.min(size, count - at) }, (_, i) => pin(at + i))
  if (fails) throw new Error('a bad line')
}

async function withState (work: (state: StateAccess, folder: string) => Promise<void>, prepare: (folder: string) => Promise<void> = async () => {}): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'state-'))
  await prepare(folder)
  const configuration = await createConfiguration({ folder, random: systemRandom, environment: {}, warn: () => {} })
  const state = await openStateAccess(configuration, { identity, loggers: silentLoggers })
  try {
    await work(state, folder)
  } finally {
    await state.close().catch(() => {})
    await rm(folder, { recursive: true, force: true })
  }
}

const names = async (state: StateAccess): Promise<string[]> => (await Array.fromAsync(state.pins())).flat().map(found => found.name).toSorted()

test('an import takes the place of what was there', () => withState(async state => {
  assert.equal(await state.replace(batches(3, 2)), 3)
  assert.deepEqual(await names(state), ['pin 0', 'pin 1', 'pin 2'])
  assert.equal(await state.replace(batches(1, 1)), 1)
  assert.deepEqual(await names(state), ['pin 0'])
}))

test('an import that fails changes nothing and leaves nothing', () => withState(async (state, folder) => {
  await state.replace(batches(2, 2))
  await assert.rejects(state.replace(batches(700, 100, true)), /a bad line/)
  assert.deepEqual(await names(state), ['pin 0', 'pin 1'])
  assert.deepEqual(await readdir(folder), ['leveldb'])
}))

test('an import that was cut off while it removed the old store does not bring that back when the folder is moved away', async context => {
  await withState(async (state, folder) => {
    await state.replace(batches(3, 3))
    const { rm: remove } = fsPromises
    context.mock.method(fsPromises, 'rm', async (path: string, options: object) => {
      if (/\.(replaced|removed)$/.test(path) && existsSync(path)) throw new Error('the process was killed')
      return remove(path, options)
    })
    syncBuiltinESMExports()
    await state.replace(batches(1, 1)).catch(() => {})
    context.mock.restoreAll()
    syncBuiltinESMExports()
    await state.close()
    const configuration = await createConfiguration({ folder, random: systemRandom, environment: {}, warn: () => {} })
    const found = async (): Promise<string[]> => {
      const opened = await openStateAccess(configuration, { identity, loggers: silentLoggers })
      const pins = await names(opened)
      await opened.close()
      return pins
    }
    assert.deepEqual(await found(), ['pin 0'])
    await fsPromises.rename(join(folder, 'leveldb'), join(folder, 'elsewhere'))
    assert.deepEqual(await found(), [])
  })
})

test('what else stands in the folder of the datastore stays there', () => withState(async (state, folder) => {
  await state.replace(batches(2, 2))
  const other = join(folder, 'leveldb', 'photo.jpg')
  await writeFile(other, 'precious')
  await assert.rejects(state.replace(batches(1, 1)), { code: 'INVALID_CONFIGURATION', message: /also holds photo\.jpg: move that elsewhere/ })
  assert.deepEqual(await names(state), ['pin 0', 'pin 1'])
  await state.clear()
  assert.deepEqual(await names(state), [])
  assert.equal(await readFile(other, 'utf8'), 'precious')
}))

test('a datastore behind a link stays on its disk', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'disk-'))
  try {
    await mkdir(join(disk, 'store'))
    await withState(async (state, folder) => {
      await state.replace(batches(2, 2))
      assert.deepEqual(await names(state), ['pin 0', 'pin 1'])
      assert.ok((await lstat(join(folder, 'leveldb'))).isSymbolicLink())
      await state.clear()
      assert.deepEqual(await names(state), [])
      assert.deepEqual([await readdir(folder), await readdir(disk)], [['leveldb'], ['store']])
      assert.ok((await readdir(join(disk, 'store'))).includes('CURRENT'))
    }, folder => symlink(join(disk, 'store'), join(folder, 'leveldb')))
  } finally {
    await rm(disk, { recursive: true, force: true })
  }
})

test('the same pins give the same nodes, however they are read', async () => {
  const heads: string[][] = []
  for (const size of [1, 7, 1300]) {
    await withState(async (state, folder) => {
      await state.replace(batches(1300, size))
      await state.close()
      const store = await openLevelDbStore(join(folder, 'leveldb'))
      heads.push((await Array.fromAsync(store.keys({ gte: '/c/h/', lt: '/c/h0' }))).flat())
      await store.close()
    })
  }
  assert.equal(heads[0]?.length, 1)
  assert.deepEqual(heads[1], heads[0])
  assert.deepEqual(heads[2], heads[0])
})

test('clear leaves an empty pinset', () => withState(async state => {
  await state.replace(batches(5, 5))
  await state.clear()
  assert.deepEqual(await names(state), [])
}))

test('a cleanup that is killed half way leaves an empty pinset, and the next one takes away what it left', context => withState(async (state, folder) => {
  await state.replace(batches(3, 3))
  const { rm: remove } = fsPromises
  context.mock.method(fsPromises, 'rm', async (path: string, options: object) => {
    if (/\.(replaced|removed)$/.test(path) && !existsSync(path)) return
    if (path.startsWith(join(folder, 'leveldb'))) throw new Error('the process was killed')
    return remove(path, options)
  })
  syncBuiltinESMExports()
  await state.clear().catch(() => {})
  context.mock.restoreAll()
  syncBuiltinESMExports()
  await state.close()
  const configuration = await createConfiguration({ folder, random: systemRandom, environment: {}, warn: () => {} })
  const opened = await openStateAccess(configuration, { identity, loggers: silentLoggers })
  assert.deepEqual(await names(opened), [])
  await opened.clear()
  await opened.close()
  assert.deepEqual(await readdir(folder), ['leveldb'])
}))
