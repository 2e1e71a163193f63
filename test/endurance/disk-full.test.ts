import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { PeerId } from '../../src/domain/peer.ts'
import { manifestState } from '../../src/platform/leveldb-files.ts'
import { openLevelDbStore } from '../../src/platform/leveldb-store.ts'
import type { Store } from '../../src/platform/store.ts'
import { cidOf, PinClients } from './pin-clients.ts'
import { checkDatastore, listPinset, pinCount, seenByCid } from './pinset-checks.ts'
import { ScratchPeer } from './scratch-peer.ts'
import { Seeded } from './seeded.ts'
import { SmallDisk } from './small-disk.ts'

const mib = 1024 * 1024

async function withSmallDisk (t: TestContext, work: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const disk = await SmallDisk.mount('peer', 40)
  if (disk === undefined) return t.skip('a file system cannot be mounted here')
  try {
    await work(disk)
  } finally {
    await disk.unmount()
  }
}

/** Writes synced batches until the disk is full; answers how many succeeded. */
async function writeUntilFull (store: Store, from: number): Promise<number> {
  for (let n = from; ; n++) {
    try {
      await store.batch([{ type: 'put', key: key(n), value: Buffer.alloc(3_000, `${n} `) }], { sync: true })
    } catch (error) {
      assert.equal((error as { code: string }).code, 'STORE_FULL')
      assert.match((error as Error).message, /^the disk under .* is full: free some space$/)
      return n
    }
  }
}

function key (n: number): string { return `/${String(n).padStart(8, '0')}` }

async function keysOf (store: Store): Promise<string[]> {
  return (await Array.fromAsync(store.keys({}))).flat()
}

test('a store on a full disk is read, written again when there is room, and loses nothing that was on disk', t => withSmallDisk(t, async disk => {
  const folder = join(disk.root, 'store')
  await mkdir(folder)
  const store = await openLevelDbStore(folder)
  let reopened = 0
  store.onOpenedAnew?.(() => { reopened++ })
  let written = 0
  for (let round = 1; round <= 4; round++) {
    disk.fill(mib)
    written = await writeUntilFull(store, written)
    assert.equal((await keysOf(store)).length, written, 'reads go on')
    // Forward and backward, each with a step behind it.
    const forward = store.keys({})[Symbol.asyncIterator]()
    const backward = store.iterate({ reverse: true, lt: key(written - 1) })[Symbol.asyncIterator]()
    const read = { forward: [...(await forward.next()).value ?? []], backward: [...(await backward.next()).value ?? []] }
    await assert.rejects(store.batch([{ type: 'put', key: '/refused', value: Buffer.alloc(1) }], { sync: true }), { code: 'STORE_FULL' })
    disk.clear()
    const openings = store.openings?.()
    // The write and reads of all kinds at one moment, while the store is opened anew.
    const [, found, several, under] = await Promise.all([
      store.batch([{ type: 'put', key: key(written), value: Buffer.alloc(1) }], { sync: true }),
      store.get(key(0)),
      store.getMany([key(1), '/refused']),
      store.keysUnder(['/0000000'], 3),
    ])
    written++
    assert.equal(found?.length, 3_000)
    assert.deepEqual(several.map(value => value?.length), [3_000, undefined])
    assert.deepEqual(under, [[key(0), key(1), key(2)]])
    assert.equal(store.openings?.(), (openings ?? 0) + 1)
    assert.equal(reopened, round)
    await assert.rejects(store.batch([{ type: 'put', key: '/stale', value: Buffer.alloc(1) }], { sync: false, opening: openings }), { code: 'STORE_FAILED' })
    for (let step = await forward.next(); step.done !== true; step = await forward.next()) read.forward.push(...step.value)
    for (let step = await backward.next(); step.done !== true; step = await backward.next()) read.backward.push(...step.value)
    assert.deepEqual(read.forward.slice(0, written - 1), Array.from({ length: written - 1 }, (_, n) => key(n)), 'an iteration goes on where it was')
    assert.deepEqual(read.backward.map(entry => entry.key), Array.from({ length: written - 2 }, (_, n) => key(written - 3 - n)))
  }
  await store.close()
  const again = await openLevelDbStore(folder)
  assert.deepEqual(await keysOf(again), Array.from({ length: written }, (_, n) => key(n)))
  await again.close()
}))

test('a store on a full disk does nothing of its own', t => withSmallDisk(t, async disk => {
  const folder = join(disk.root, 'store')
  await mkdir(folder)
  const store = await openLevelDbStore(folder)
  const manifest = manifestState(folder)
  // As much as makes a table; the log after it is older than the table's note.
  for (let n = 0; n < 18; n++) await store.batch([{ type: 'put', key: key(n), value: Buffer.alloc(500_000, n) }], { sync: false })
  while (manifestState(folder) === manifest) await new Promise(setImmediate)
  await store.batch([{ type: 'put', key: key(18), value: Buffer.alloc(500_000) }], { sync: true })
  disk.fill(0)
  for (let i = 0; i < 3; i++) await store.rest?.()
  disk.clear()
  await store.batch([{ type: 'put', key: key(19), value: Buffer.alloc(1) }], { sync: true })
  assert.equal(store.openings?.(), 1)
  await store.close()
}))

test('a peer on a full disk refuses changes, answers reads, and goes on by itself when there is room', t => withSmallDisk(t, async disk => {
  const peer = await ScratchPeer.make(join(disk.root, '..'))
  try {
    const { id } = JSON.parse(await readFile(join(peer.path, 'identity.json'), 'utf8')) as { id: PeerId }
    const clients = new PinClients(peer.apiPort, new Seeded(7))
    const mistakes = async (): Promise<unknown[]> => clients.settle(seenByCid(await listPinset(peer)))
    const pin = async (n: number): Promise<{ status: number, text: string }> => {
      const response = await fetch(peer.url(`/pins/${cidOf(n)}`), { method: 'POST' })
      return { status: response.status, text: await response.text() }
    }
    await peer.start()
    await peer.canAllocate()
    for (const killed of [false, true]) {
      const { refused, pins } = clients.counts
      disk.fill(mib)
      clients.start()
      await peer.until(async () => clients.counts.refused > refused + 50)
      await clients.stop()
      assert.ok(clients.counts.pins > pins, 'pins went well before')
      const answer = await pin(100_000)
      assert.equal(answer.status, 500)
      assert.match(answer.text, /"the disk under .*leveldb is full: free some space"/)
      assert.deepEqual(await mistakes(), [], 'all acknowledged changes can be read from the full disk')
      assert.equal((await fetch(peer.url('/id'))).status, 200)
      disk.clear()
      // No restart: the next request finds room. The CID is none of the clients': they remember what became of theirs.
      await peer.until(async () => (await pin(100_001)).status === 200)
      assert.equal((await fetch(peer.url(`/pins/${cidOf(100_001)}`), { method: 'DELETE' })).status, 200)
      const before = clients.counts.pins
      clients.start()
      await peer.until(async () => clients.counts.pins > before + 500)
      if (killed) await peer.end('SIGKILL')
      await clients.stop()
      if (killed) {
        await checkDatastore(peer.datastore, id)
        await peer.start()
      }
      assert.deepEqual(await mistakes(), [])
      const listed = (await listPinset(peer)).length
      await peer.until(async () => await pinCount(peer) === listed)
    }
    assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
  } finally {
    await peer.close()
  }
}))

test('a daemon that is started on a full disk says so, stops in order when the disk became full, and loses nothing', t => withSmallDisk(t, async disk => {
  const peer = await ScratchPeer.make(join(disk.root, '..'))
  try {
    const clients = new PinClients(peer.apiPort, new Seeded(8))
    await peer.start()
    await peer.canAllocate()
    disk.fill(mib)
    clients.start()
    await peer.until(async () => clients.counts.refused > 50)
    await clients.stop()
    disk.fill(0)
    assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
    // The end may have given some room back.
    disk.fill(0)
    const { exit, stderr } = peer.run(['daemon'])
    assert.equal(exit, 1)
    assert.match(stderr, /^error creating datastore: the disk under .*leveldb is full: free some space/m)
    disk.clear()
    await peer.start()
    assert.deepEqual(clients.settle(seenByCid(await listPinset(peer))), [])
  } finally {
    await peer.close()
  }
}))
