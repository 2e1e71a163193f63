import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { crc32c } from './leveldb-log.ts'
import { checkLevelDb } from './leveldb-check.ts'
import { openLevelDbStore } from './leveldb-store.ts'
import type { Store } from './store.ts'

/** Large enough for some tables; the last writes stand in a log alone. */
const batches = 60
const entriesPerBatch = 500

let root = ''
/** A folder with tables, a manifest and a log, as a killed process leaves it. */
let killed = ''

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'check-'))
  killed = join(root, 'killed')
  const running = join(root, 'running')
  const store = await openLevelDbStore(running)
  for (let n = 0; n < batches; n++) await fill(store, n)
  // LevelDB makes tables of its logs in the background: a copy of that half done has other files.
  while (true) {
    const seen = await sizes(running)
    await copyFolder(running, killed)
    if (isDeepStrictEqual(await sizes(running), seen) && seen.filter(([name]) => name.endsWith('.log')).length === 1) break
    await rm(killed, { recursive: true })
    await setTimeout(20)
  }
  await store.close()
})

after(() => rm(root, { recursive: true, force: true }))

function fill (store: Store, n: number): Promise<void> {
  return store.batch(Array.from({ length: entriesPerBatch }, (_, i) => ({ type: 'put', key: key(n, i), value: Buffer.alloc(300, `${n} ${i} `) })), { sync: true })
}

function key (n: number, i: number): string { return `/${String(n).padStart(4, '0')}/${i}` }

async function sizes (folder: string): Promise<Array<[string, number]>> {
  const found: Array<[string, number]> = []
  for (const name of (await readdir(folder)).toSorted()) found.push([name, (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0])
  return found
}

async function copyFolder (from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name)).catch(ifGone)
}

/** What LevelDB has removed meanwhile is not copied. */
function ifGone (error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

async function copied (t: { name: string }): Promise<string> {
  const folder = join(root, t.name.replaceAll(/\W+/g, '-'))
  await copyFolder(killed, folder)
  return folder
}

async function filesOf (folder: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(folder)).filter(name => pattern.test(name)).toSorted().map(name => join(folder, name))
}

async function fileOf (folder: string, pattern: RegExp): Promise<string> {
  const found = (await filesOf(folder, pattern)).at(-1)
  assert.ok(found !== undefined, `the folder has a file ${pattern}`)
  return found
}

async function content (folder: string): Promise<Map<string, string>> {
  const files = (await readdir(folder)).filter(name => !/^LO(CK|G|G\.old)$/.test(name)).toSorted()
  return new Map(await Promise.all(files.map(async name => [name, (await readFile(join(folder, name))).toString('hex')] as const)))
}

/** The folder is refused with advice and left as it is. */
async function refused (folder: string, reason: RegExp): Promise<void> {
  const before = await content(folder)
  await assert.rejects(openLevelDbStore(folder), (error: { code?: string, message: string }) => {
    assert.equal(error.code, 'STORE_DAMAGED')
    assert.match(error.message, reason)
    assert.match(error.message, /state import/)
    return true
  })
  assert.deepEqual(await content(folder), before)
}

async function count (folder: string): Promise<number> {
  const store = await openLevelDbStore(folder)
  const found = (await Array.fromAsync(store.keys({}))).flat().length
  await store.close()
  return found
}

async function overwrite (path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes.fill(0xa5, at, at + 20)
  await writeFile(path, bytes)
}

test('what a killed process leaves is whole', async t => {
  const folder = await copied(t)
  assert.ok((await filesOf(folder, /\.ldb$/)).length > 0, 'there are tables')
  checkLevelDb(folder)
  assert.equal(await count(folder), batches * entriesPerBatch)
})

test('a log that ends in the middle of a record is whole', async t => {
  const folder = await copied(t)
  const log = await fileOf(folder, /\.log$/)
  await truncate(log, (await stat(log)).size - 100)
  assert.equal(await count(folder), (batches - 1) * entriesPerBatch)
})

test('a log that ends in zeros or in garbage is whole', async t => {
  const folder = await copied(t)
  const log = await fileOf(folder, /\.log$/)
  const bytes = await readFile(log)
  await writeFile(log, Buffer.concat([bytes, Buffer.alloc(70_000)]))
  checkLevelDb(folder)
  await writeFile(log, Buffer.concat([bytes, Buffer.alloc(3_000, 'garbage')]))
  assert.equal(await count(folder), batches * entriesPerBatch)
})

test('a log that is broken before its end is refused, and can be cut there as the message says', async t => {
  const folder = await copied(t)
  const log = await fileOf(folder, /\.log$/)
  await overwrite(log, Math.floor((await stat(log)).size / 2))
  await refused(folder, /log is broken at byte \d+.*truncate -s \d+ '/)
  const at = await Promise.resolve().then(() => checkLevelDb(folder)).catch((error: Error) => Number(/truncate -s (\d+)/.exec(error.message)?.[1]))
  await truncate(log, at as number)
  const left = await count(folder)
  assert.ok(left > 0 && left < batches * entriesPerBatch && left % entriesPerBatch === 0, `whole batches are left: ${left} entries`)
})

test('a log with a broken record alone among good ones is refused', async t => {
  const folder = await copied(t)
  const log = await fileOf(folder, /\.log$/)
  await rm(log)
  const record = (text: string): Buffer => {
    const bytes = Buffer.alloc(7 + text.length)
    bytes.writeUInt16LE(text.length, 4)
    bytes.writeUInt8(1, 6)
    bytes.write(text, 7)
    const crc = crc32c(bytes, 6, bytes.length)
    bytes.writeUInt32LE((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8 >>> 0, 0)
    return bytes
  }
  const middle = record('second record')
  middle[10] = 0
  await writeFile(log, Buffer.concat([record('first record'), middle, record('third record')]))
  await refused(folder, /log is broken at byte 19\)/)
})

test('a folder with tables but without CURRENT is refused, not emptied', async t => {
  const folder = await copied(t)
  await unlink(join(folder, 'CURRENT'))
  await refused(folder, /no file CURRENT/)
})

test('a folder in which a crash came before CURRENT is a new one', async t => {
  const folder = join(root, t.name)
  await mkdir(folder)
  await copyFile(await fileOf(killed, /^MANIFEST/), join(folder, 'MANIFEST-000001'))
  assert.equal(await count(folder), 0)
})

for (const [what, text] of [['empty', ''], ['garbage', '\0\x01\x02garbage'], ['the name of another file', 'MANIFEST-999999\n']] as const) {
  test(`CURRENT that is ${what} is refused`, async t => {
    const folder = await copied(t)
    await writeFile(join(folder, 'CURRENT'), text)
    await refused(folder, /CURRENT|MANIFEST-999999 is missing/)
  })
}

test('a manifest is refused that is empty, broken, or cut so that it forgets a table', async t => {
  const folder = await copied(t)
  const manifest = await fileOf(folder, /^MANIFEST/)
  const bytes = await readFile(manifest)
  await overwrite(manifest, 30)
  await refused(folder, /manifest/)
  await writeFile(manifest, '')
  await refused(folder, /./)
  // The last change names the last table, and the log that came after it.
  await writeFile(manifest, bytes.subarray(0, -5))
  await refused(folder, /its manifest is cut off/)
})

test('a table that is missing or shorter than it was is refused', async t => {
  const folder = await copied(t)
  const table = await fileOf(folder, /\.ldb$/)
  const { size } = await stat(table)
  await truncate(table, size - 1)
  await refused(folder, new RegExp(`has only ${size - 1} of ${size} bytes`))
  await unlink(table)
  await refused(folder, /is missing/)
})

test('a table under its old name is found', async t => {
  const folder = await copied(t)
  for (const table of await filesOf(folder, /\.ldb$/)) await rename(table, table.replace('.ldb', '.sst'))
  assert.equal(await count(folder), batches * entriesPerBatch)
})

test('a table of garbage is told by the reads that need it, and does not end the process', async t => {
  const folder = await copied(t)
  for (const table of await filesOf(folder, /\.ldb$/)) await writeFile(table, Buffer.alloc((await stat(table)).size, 'garbage'))
  const store = await openLevelDbStore(folder)
  await assert.rejects(store.get(key(0, 0)), { code: 'STORE_DAMAGED' })
  await assert.rejects(Array.fromAsync(store.keys({})), { code: 'STORE_DAMAGED' })
  assert.throws(() => store.getSync(key(0, 0)), { code: 'STORE_DAMAGED' })
  assert.equal((await store.get(key(batches - 1, 0)))?.length, 300, 'what stands in the log can still be read')
  await store.close()
})

test('checksums are those of RFC 3720', () => {
  assert.equal(crc32c(new Uint8Array(32), 0, 32), 0x8a9136aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff), 0, 32), 0x62a8ab43)
  assert.equal(crc32c(Buffer.from('..123456789.'), 2, 11), 0xe3069283)
})
