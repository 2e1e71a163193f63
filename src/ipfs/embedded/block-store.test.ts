import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { open, readdir, rm, mkdtemp, writeFile, truncate, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../platform/clock.ts'
import { silentLogger } from '../../platform/logger.ts'
import { BlockSet } from './block-set.ts'
import { BlockStore, type NewBlock } from './block-store.ts'
import { blockKey } from './cid-parts.ts'
import { Segments } from './segments.ts'

function blockOf (bytes: Uint8Array): NewBlock {
  const multihash = Buffer.concat([Uint8Array.of(0x12, 0x20), hash('sha256', bytes, 'buffer')])
  return { key: blockKey(multihash), multihash, bytes }
}

const text = (content: string): NewBlock => blockOf(Buffer.from(content))

async function withFolder (work: (folder: string, openStore: (settings?: { storageMaxBytes?: number, putLeaseMs?: number }) => Promise<BlockStore>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'blocks-'))
  try {
    await work(folder, settings => BlockStore.open({ folder, storageMaxBytes: 1e9, putLeaseMs: 0, clock: systemClock, logger: silentLogger, ...settings }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function assertHolds (store: BlockStore, blocks: readonly NewBlock[]): Promise<void> {
  for (const { key, bytes } of blocks) assert.deepEqual(Buffer.from(await store.read(key) ?? 'none'), Buffer.from(bytes))
}

async function collect (store: BlockStore, keep: readonly NewBlock[] = []): Promise<string[]> {
  const marks = new BlockSet()
  const youngest = await store.beginCollection(marks)
  for (const location of await store.locate(keep.map(({ key }) => key))) if (location !== undefined) marks.add(location)
  const removed = (await Array.fromAsync(store.sweep(youngest))).flat()
  for (const id of store.sparseSegments(youngest)) await store.compact(id, new AbortController().signal)
  store.endCollection()
  return removed
}

const segmentFiles = (folder: string): Promise<string[]> => readdir(join(folder, 'segments'))

test('blocks of all sizes come back, also after a restart; none is written twice', () => withFolder(async (_folder, openStore) => {
  const blocks = [0, 1, 100, 4096, 262_144, 3_000_000].map(size => blockOf(randomBytes(size)))
  const store = await openStore()
  await Promise.all([...blocks, ...blocks].map(block => store.put(block)))
  await assertHolds(store, blocks)
  const before = store.stat()
  assert.equal(before.blocks, blocks.length)
  await Promise.all(blocks.map(block => store.put(block)))
  assert.deepEqual(store.stat(), before)
  assert.equal(await store.read(text('never put').key), undefined)
  assert.equal(await store.has(text('never put').key), false)
  await store.close()

  const again = await openStore()
  assert.deepEqual(again.stat(), before)
  await assertHolds(again, blocks)
  await again.close()
}))

test('what a crash leaves behind the last whole block goes away, and writing goes on', () => withFolder(async (folder, openStore) => {
  const first = await openStore()
  await first.put(text('before'))
  const { sizeBytes } = first.stat()
  await first.close()
  const [name] = await segmentFiles(folder)
  const file = await open(join(folder, 'segments', name as string), 'r+')
  await file.write(randomBytes(5000), 0, 5000, sizeBytes)
  await file.close()

  const second = await openStore()
  assert.equal((await stat(join(folder, 'segments', name as string))).size, sizeBytes)
  await second.put(text('after'))
  await assertHolds(second, [text('before'), text('after')])
  await second.close()
}))

test('an index that is lost or damaged is made anew from the blocks, without the torn one at the end', () => withFolder(async (folder, openStore) => {
  const blocks = Array.from({ length: 2500 }, (_, i) => text(`block ${i}`))
  const first = await openStore()
  await Promise.all(blocks.map(block => first.put(block)))
  await first.close()

  await rm(join(folder, 'index'), { recursive: true })
  const second = await openStore()
  await assertHolds(second, blocks)
  assert.equal(second.stat().blocks, blocks.length)
  await second.close()

  const manifest = (await readdir(join(folder, 'index'))).find(each => each.startsWith('MANIFEST')) as string
  await writeFile(join(folder, 'index', manifest), 'no manifest')
  const [name] = await segmentFiles(folder)
  const path = join(folder, 'segments', name as string)
  await truncate(path, (await stat(path)).size - 3)
  const third = await openStore()
  await assertHolds(third, blocks.slice(0, -1))
  assert.equal(await third.read(blocks.at(-1)?.key ?? ''), undefined)
  await third.put(blocks.at(-1) as NewBlock)
  await assertHolds(third, blocks)
  await third.close()
}))

test('blocks whose file is gone are gone, whatever is written later, and can be put again', () => withFolder(async (folder, openStore) => {
  const [lost, later] = [1, 2].map(seed => Array.from({ length: 5 }, (_, n) => text(`${seed} ${n}`))) as [NewBlock[], NewBlock[]]
  let store = await openStore()
  for (const block of lost) await store.put(block)
  await store.close()
  await rm(join(folder, 'segments', '00000001.blocks'))
  // The number of the file is not forgotten either when nothing is written for a while.
  await (await openStore()).close()
  store = await openStore()
  await Promise.all(later.map(block => store.put(block)))
  assert.deepEqual(await store.locate(lost.map(({ key }) => key)), lost.map(() => undefined))
  for (const block of lost) await store.put(block)
  await assertHolds(store, [...lost, ...later])
  assert.equal(store.stat().blocks, 10)
  await collect(store, [...lost, ...later])
  await assertHolds(store, [...lost, ...later])
  await store.close()
}))

test('a block that rotted on disk is given up and can be put again', () => withFolder(async (folder, openStore) => {
  const store = await openStore()
  const [good, bad] = [blockOf(randomBytes(1000)), blockOf(randomBytes(1000))]
  await store.put(good)
  await store.put(bad)
  const [location] = await store.locate([bad.key])
  const [name] = await segmentFiles(folder)
  const file = await open(join(folder, 'segments', name as string), 'r+')
  await file.write(Uint8Array.of((bad.bytes[7] as number) ^ 1), 0, 1, (location?.offset ?? 0) + 16 + bad.multihash.length + 7)
  await file.close()
  assert.equal(await store.read(bad.key), undefined)
  assert.equal(store.stat().blocks, 1)
  await store.put(bad)
  await assertHolds(store, [good, bad])
  await store.close()
}))

test('a block that the disk cannot read is given up and can be put again, and keeps no collection from its end', () => withFolder(async (folder, openStore) => {
  const store = await openStore()
  const blocks = Array.from({ length: 20 }, (_, n) => text(`block ${n}`))
  await Promise.all(blocks.map(block => store.put(block)))
  const [bad] = await store.locate([(blocks[7] as NewBlock).key])
  const { reader } = Segments.prototype
  Segments.prototype.reader = function (id) {
    const readAt = reader.call(this, id)
    return (offset, length) => id === bad?.segment && offset <= bad.offset && bad.offset < offset + length ? Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })) : readAt(offset, length)
  }
  try {
    assert.equal(await store.read((blocks[7] as NewBlock).key), undefined)
    assert.equal(await store.has((blocks[7] as NewBlock).key), false)
    // It lies elsewhere now.
    await collect(store, blocks)
    await store.put(blocks[7] as NewBlock)
    await assertHolds(store, blocks)
    await collect(store, blocks.slice(7))
    await assertHolds(store, blocks.slice(7))
    assert.equal(store.stat().blocks, 13)
    assert.deepEqual(await segmentFiles(folder), ['00000001.blocks', '00000002.blocks'], 'what cannot be read through stays')
  } finally {
    Segments.prototype.reader = reader
  }
  await store.close()
}))

test('a store that is full refuses what does not fit and keeps the rest', () => withFolder(async (_folder, openStore) => {
  const store = await openStore({ storageMaxBytes: 100_000 })
  const blocks = Array.from({ length: 5 }, () => blockOf(randomBytes(30_000)))
  const outcomes = await Promise.allSettled(blocks.map(block => store.put(block)))
  assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'])
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'STORE_FULL')
  await assertHolds(store, blocks.slice(0, 3))
  assert.equal((await collect(store, blocks.slice(0, 1))).length, 2)
  await store.put(blocks[4] as NewBlock)
  await assertHolds(store, [blocks[0] as NewBlock, blocks[4] as NewBlock])
  await store.close()
}))

test('a collection removes what nobody keeps and gives the space back', () => withFolder(async (folder, openStore) => {
  const store = await openStore()
  const kept = Array.from({ length: 50 }, () => blockOf(randomBytes(20_000)))
  const lost = Array.from({ length: 200 }, () => blockOf(randomBytes(20_000)))
  await Promise.all([...kept, ...lost].toSorted((a, b) => a.key < b.key ? -1 : 1).map(block => store.put(block)))
  const removed = await collect(store, kept)
  assert.deepEqual(removed.toSorted(), lost.map(({ key }) => key).toSorted())
  await assertHolds(store, kept)
  for (const { key } of lost) assert.equal(await store.has(key), false)
  const { sizeBytes, blocks } = store.stat()
  assert.equal(blocks, kept.length)
  assert.ok(sizeBytes < 1.1 * 50 * 20_100)
  let onDisk = 0
  for (const name of await segmentFiles(folder)) onDisk += (await stat(join(folder, 'segments', name))).size
  assert.equal(onDisk, sizeBytes)
  await store.close()
  const again = await openStore()
  await assertHolds(again, kept)
  assert.deepEqual(again.stat(), { sizeBytes, blocks })
  await again.close()
}))

test('blocks put, put again, or asked for to be kept while a collection runs survive it', () => withFolder(async (_folder, openStore) => {
  const store = await openStore()
  const [putAgain, askedFor, leased, garbage] = ['put again', 'asked for', 'leased', 'garbage'].map(text) as [NewBlock, NewBlock, NewBlock, NewBlock]
  const lease = store.lease()
  await store.put(leased, lease)
  await Promise.all([putAgain, askedFor, garbage].map(block => store.put(block)))
  const youngest = await store.beginCollection(new BlockSet())
  await store.put(text('new'))
  await store.put(putAgain)
  await store.locate([askedFor.key], true)
  assert.deepEqual((await Array.fromAsync(store.sweep(youngest))).flat(), [garbage.key])
  for (const id of store.sparseSegments(youngest)) await store.compact(id, new AbortController().signal)
  store.endCollection()
  await assertHolds(store, [putAgain, askedFor, leased, text('new')])
  // The lease follows its block to where compaction has moved it.
  assert.deepEqual((await collect(store)).toSorted(), [putAgain, askedFor, text('new')].map(({ key }) => key).toSorted())
  lease.release()
  assert.deepEqual(await collect(store), [leased.key])
  await store.close()
}))

test('reads and puts during collections never see a block come and go', () => withFolder(async (_folder, openStore) => {
  const store = await openStore()
  const kept = Array.from({ length: 40 }, () => blockOf(randomBytes(50_000)))
  await Promise.all(kept.map(block => store.put(block)))
  let over = false
  const reading = (async () => { while (!over) await assertHolds(store, kept) })()
  for (let round = 0; round < 6; round++) {
    const garbage = Array.from({ length: 40 }, () => blockOf(randomBytes(50_000)))
    await Promise.all(garbage.map(block => store.put(block)))
    const marks = new BlockSet()
    const youngest = await store.beginCollection(marks)
    for (const location of await store.locate(kept.map(({ key }) => key))) if (location !== undefined) marks.add(location)
    const putting = Promise.all(garbage.slice(0, 5).map(block => store.put(block)))
    for await (const removed of store.sweep(youngest)) assert.ok(removed.length > 0)
    await putting
    for (const id of store.sparseSegments(youngest)) await store.compact(id, new AbortController().signal)
    store.endCollection()
    await assertHolds(store, garbage.slice(0, 5))
  }
  over = true
  await reading
  await store.close()
}))

test('a folder is for one store at a time', () => withFolder(async (_folder, openStore) => {
  const store = await openStore()
  await assert.rejects(openStore(), { code: 'FOLDER_LOCKED' })
  await store.close()
}))
