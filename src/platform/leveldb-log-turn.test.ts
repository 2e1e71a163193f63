import assert from 'node:assert/strict'
import fs, { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ClassicLevel } from 'classic-level'
import { manifestState } from './leveldb-files.ts'
import { openLevelDbStore } from './leveldb-store.ts'
import type { Store, StoreOperation } from './store.ts'

interface Scene { readonly store: Store, readonly folder: string, readonly writes: Array<{ readonly operations: number, readonly isSynced: boolean }> }

/** A store, and what gets as far as LevelDB. */
async function scene (context: TestContext): Promise<Scene> {
  const writes: Scene['writes'] = []
  const batch = ClassicLevel.prototype.batch as unknown as (this: ClassicLevel, operations: unknown[], options: { sync: boolean }) => Promise<void>
  context.mock.method(ClassicLevel.prototype, 'batch', function (this: ClassicLevel, operations: unknown[], options: { sync: boolean }) {
    writes.push({ operations: operations.length, isSynced: options.sync })
    return batch.call(this, operations, options)
  })
  const folder = mkdtempSync(join(tmpdir(), 'logs-'))
  const store = await openLevelDbStore(folder)
  context.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { store, folder, writes }
}

const newestLog = (folder: string): string => readdirSync(folder).filter(name => name.endsWith('.log')).toSorted().at(-1) as string

test('what was written before is on disk when an empty batch is', async context => {
  const { store, writes } = await scene(context)
  await store.batch([{ type: 'put', key: '/a', value: Uint8Array.of(1) }], { sync: false })
  await store.batch([], { sync: true })
  assert.deepEqual(writes, [{ operations: 1, isSynced: false }, { operations: 1, isSynced: true }])
})

for (const [valueBytes, perBatch] of [[0, 400], [150, 300], [1_000, 20], [30_000, 3], [900_000, 1]] as const) {
  test(`the last write of each log is synced, with batches of ${perBatch} values of ${valueBytes} bytes, and few others are`, async context => {
    const { store, folder, writes } = await scene(context)
    let at = 0
    let logs = 0
    for (let last = newestLog(folder); logs < 2;) {
      const operations = Array.from({ length: perBatch }, (): StoreOperation => ({ type: 'put', key: `/c/s/s/${String(at++).padStart(50, '0')}`, value: new Uint8Array(valueBytes) }))
      await store.batch(operations, { sync: false })
      const log = newestLog(folder)
      if (log === last) continue
      last = log
      logs++
      assert.equal(writes.at(-2)?.isSynced, true, `the one before write ${writes.length}`)
    }
    const synced = writes.filter(({ isSynced }) => isSynced).length
    assert.ok(synced < writes.length * 0.35, `${synced} of ${writes.length} are synced`)
  })
}

test('the last write of a log is synced also when the log before was emptied because nobody wrote', async context => {
  const { store, folder, writes } = await scene(context)
  let at = 0
  const write = (): Promise<void> => store.batch([{ type: 'put', key: `/large/${at++}`, value: new Uint8Array(900_000) }], { sync: false })
  const untilNextLog = async (): Promise<void> => { for (const last = newestLog(folder); newestLog(folder) === last;) await write() }
  const manifest = manifestState(folder)
  await untilNextLog()
  while (manifestState(folder) === manifest) await new Promise(setImmediate)
  for (let i = 0; i < 4; i++) await write()
  const last = newestLog(folder)
  while (newestLog(folder) === last) await store.rest?.()
  for (let i = 0; i < 3; i++) {
    await untilNextLog()
    assert.equal(writes.at(-2)?.isSynced, true, `the one before write ${writes.length}`)
  }
})

test('a folder of very many tables is listed once for each log, not for each write', async context => {
  const { store, folder } = await scene(context)
  let listed = 0
  const list = fs.readdirSync
  context.mock.method(fs, 'readdirSync', (...parameters: Parameters<typeof list>) => {
    listed++
    return list(...parameters)
  })
  syncBuiltinESMExports()
  context.after(() => { syncBuiltinESMExports() })
  const logs = new Set<string>()
  for (let at = 0; logs.size < 3;) {
    const operations = Array.from({ length: 300 }, (): StoreOperation => ({ type: 'put', key: `/c/s/s/${String(at++).padStart(50, '0')}`, value: new Uint8Array(150) }))
    await store.batch(operations, { sync: false })
    logs.add((list(folder) as string[]).filter(name => name.endsWith('.log')).toSorted().at(-1) as string)
  }
  assert.equal(listed, 2)
})
