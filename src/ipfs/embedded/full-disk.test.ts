import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../platform/clock.ts'
import { silentLogger } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Block } from '../connector.ts'
import { BlockSet } from './block-set.ts'
import { BlockStore } from './block-store.ts'
import { blockKey } from './cid-parts.ts'
import { collectGarbage } from './garbage-collection.ts'
import { rawBlock, textOf } from './node-for-tests.ts'
import { PinSet } from './pin-set.ts'

/* A collection is how an operator gets space back: it must get along without any. And others choose a peer by the room that it has. */

const plenty = 1e9

class Disk {
  totalBytes = 0
  freeBytes = plenty
  asked = 0
  readonly space = async (): Promise<{ totalBytes: number, freeBytes: number }> => {
    this.asked++
    return { totalBytes: this.totalBytes, freeBytes: this.freeBytes }
  }
}

async function withStore (work: (store: BlockStore, disk: Disk, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'full-disk-'))
  const disk = new Disk()
  const store = await BlockStore.open({ folder, storageMaxBytes: plenty, putLeaseMs: 0, diskSpace: disk.space, clock: systemClock, logger: silentLogger })
  try {
    await work(store, disk, folder)
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function put (store: BlockStore, count: number, sizeBytes: number): Promise<Block[]> {
  const blocks = Array.from({ length: count }, () => rawBlock(randomBytes(sizeBytes)))
  await Promise.all(blocks.map(({ cid, bytes }) => store.put({ key: keyOf({ cid, bytes }), multihash: cid.multihash.bytes, bytes })))
  return blocks
}

function keyOf ({ cid }: Block): string { return blockKey(cid.multihash.bytes) }

async function assertHolds (store: BlockStore, blocks: readonly Block[]): Promise<void> {
  for (const block of blocks) assert.ok(Buffer.from(await store.read(keyOf(block)) ?? 'none').equals(block.bytes))
}

test('a collection on a full disk removes what needs no room, says what needs some, and gives it back when there is', () => withStore(async (store, disk, folder) => {
  const pins = new PinSet(memoryStore())
  const [kept, lost] = [await put(store, 20, 50_000), await put(store, 20, 50_000)]
  for (const { cid } of kept) await pins.put({ cid: textOf(cid), depth: -1 })
  await store.beginCollection(new BlockSet())
  store.endCollection()
  const behind = await put(store, 40, 50_000)
  const collect = async (): Promise<string[]> => {
    const keys = await Array.fromAsync(collectGarbage({ store, pins, pinning: () => [], walkFolder: folder, bring: async () => undefined }, new AbortController().signal))
    return keys.flat().map(({ cid, error }) => error === '' ? String(cid) : error)
  }
  disk.freeBytes = 100_000
  const told = await collect()
  assert.equal(told.length, lost.length + behind.length + 1)
  assert.match(told.at(-1) ?? '', /^the disk under .* has no room for the 10\d{5} bytes that must move before a file of 20\d{5} bytes can go: free some space and collect again$/)
  assert.ok(store.stat().sizeBytes < 2_100_000, 'the file with garbage alone is gone')
  await assertHolds(store, kept)
  disk.freeBytes = plenty
  assert.deepEqual(await collect(), [])
  assert.ok(store.stat().sizeBytes < 1_100_000)
  await assertHolds(store, kept)
}))

test('a disk that fills up while blocks are being moved costs none of them', () => withStore(async (store, disk) => {
  const kept = await put(store, 200, 100_000)
  await put(store, 200, 100_000)
  const marks = new BlockSet()
  const youngest = await store.beginCollection(marks)
  for (const location of await store.locate(kept.map(keyOf))) if (location !== undefined) marks.add(location)
  await Array.fromAsync(store.sweep(youngest))
  const [sparse] = store.sparseSegments(youngest) as [number]
  disk.asked = 0
  const full = async (): Promise<void> => {
    // The first question is whether all will fit.
    while (disk.asked === 0) await new Promise<void>(resolve => { setImmediate(resolve) })
    disk.freeBytes = 0
  }
  await Promise.all([full(), assert.rejects(store.compact(sparse, new AbortController().signal), { code: 'STORE_FULL' })])
  await assertHolds(store, kept)
  disk.freeBytes = plenty
  await store.compact(sparse, new AbortController().signal)
  store.endCollection()
  await assertHolds(store, kept)
  assert.ok(store.stat().sizeBytes < 20_500_000)
}))

test('there is room for what fits into the limit and on the disk', () => withStore(async (store, disk) => {
  await put(store, 10, 10_000)
  const { sizeBytes } = store.stat()
  assert.equal(await store.capacityBytes(), plenty)
  disk.freeBytes = 50_000
  assert.equal(await store.capacityBytes(), sizeBytes + 50_000)
  disk.freeBytes = 0
  assert.equal(await store.capacityBytes(), sizeBytes)
}))

test('new blocks leave so much free that any file can be rewritten', () => withStore(async (store, disk) => {
  const [kept, lost] = [await put(store, 2, 1_000_000), await put(store, 2, 1_000_000)]
  const marks = new BlockSet()
  const youngest = await store.beginCollection(marks)
  for (const location of await store.locate(kept.map(keyOf))) if (location !== undefined) marks.add(location)
  disk.totalBytes = 1e12
  // What must move of the largest file, and what the rest of the peer needs.
  disk.freeBytes = (144 + 64) * 2 ** 20
  assert.equal(await store.capacityBytes(), store.stat().sizeBytes)
  await assert.rejects(put(store, 1, 1), { code: 'STORE_FULL' })
  assert.equal((await Array.fromAsync(store.sweep(youngest))).flat().length, lost.length)
  disk.freeBytes = 64 * 2 ** 20
  const [sparse] = store.sparseSegments(youngest) as [number]
  await assert.rejects(store.compact(sparse, new AbortController().signal), { code: 'STORE_FULL' })
  disk.freeBytes += 2_001_000
  await store.compact(sparse, new AbortController().signal)
  store.endCollection()
  await assertHolds(store, kept)
  assert.ok(store.stat().sizeBytes < 2_001_000)
}))

test('of a small disk a tenth is left free', () => withStore(async (store, disk) => {
  disk.totalBytes = 1e9
  disk.freeBytes = 100_000_100
  await assert.rejects(put(store, 1, 1_000), { code: 'STORE_FULL' })
  disk.freeBytes += 1_000
  await put(store, 1, 1_000)
}))
