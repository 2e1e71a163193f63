import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encode as encodeCbor } from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import type { Block } from '../connector.ts'
import { embeddedConnector, type EmbeddedConnector } from './embedded-connector.ts'
import { block, folderBlock, loopback, nodeOptions, pinOf, platform, rawBlock, streamOf, textOf, withNodes } from './node-for-tests.ts'

const alone = (work: (node: EmbeddedConnector) => Promise<void>, options: { putLeaseMs?: number, pinTimeoutMs?: number } = {}): Promise<void> => withNodes([{ listenAddresses: [], pinTimeoutMs: 300, ...options }], work)

const cbor = (value: unknown): Block => block(0x71, encodeCbor(value))

async function collect (node: EmbeddedConnector): Promise<Set<string>> {
  const removed = new Set<string>()
  for await (const { cid, error } of node.garbageCollect()) {
    assert.equal(error, '')
    removed.add(String(cid))
  }
  return removed
}

/** Whether each of the blocks is on the node; asks without waiting for others. */
async function present (node: EmbeddedConnector, blocks: readonly Block[]): Promise<boolean[]> {
  const gone = new AbortController()
  return Promise.all(blocks.map(async ({ cid }) => {
    const answer = node.getBlock(textOf(cid), { signal: gone.signal }).then(() => true, () => false)
    const late = new Promise<boolean>(resolve => { setTimeout(() => { gone.abort(); resolve(answer) }, 150) })
    return Promise.race([answer, late])
  }))
}

/** A chain: each block links to the next and to a leaf of its own. */
function chain (length: number): Block[] {
  const blocks: Block[] = []
  let next: CID | null = null
  for (let i = length - 1; i >= 0; i--) {
    const leaf = rawBlock(`leaf ${i} of ${length}`)
    const node: Block = cbor({ next, leaf: leaf.cid, i })
    blocks.unshift(node, leaf)
    next = node.cid
  }
  return blocks
}

test('pins to a depth need and keep what is above it, and grow', () => alone(async node => {
  const blocks = chain(6)
  const root = (blocks[0] as Block).cid
  await node.putBlocks(streamOf(blocks.slice(0, 6)))
  await node.pin({ ...pinOf(root), maxDepth: 2 })
  assert.equal(await node.pinStatus(textOf(root)), 'recursive')
  // Levels: 0 the root, 1 its leaf and the second block, 2 that one's leaf and the third block.
  await collect(node)
  assert.deepEqual(await present(node, blocks.slice(0, 6)), [true, true, true, true, true, false])
  await assert.rejects(node.pin({ ...pinOf(root), maxDepth: 3 }), { code: 'IPFS_STALLED' })
  await assert.rejects(node.pin(pinOf(root)), { code: 'IPFS_STALLED' })
  await node.pin({ ...pinOf(root), maxDepth: 1 })
  await node.putBlocks(streamOf(blocks))
  await node.pin(pinOf(root))
  await node.pin({ ...pinOf(root), maxDepth: 1 })
  assert.deepEqual(await collect(node), new Set())
}))

test('a block that is reached at several depths is followed as far as the shallowest way allows', () => alone(async node => {
  const bottom = cbor('bottom')
  const shared = cbor({ below: bottom.cid })
  const long = cbor({ shared: shared.cid })
  const root = cbor([long.cid, shared.cid])
  await node.putBlocks(streamOf([shared, long, root]))
  await assert.rejects(node.pin({ ...pinOf(root.cid), maxDepth: 2 }), { code: 'IPFS_STALLED' }, 'the bottom is two levels below the root by the short way')
  await node.putBlocks(streamOf([bottom]))
  await node.pin({ ...pinOf(root.cid), maxDepth: 2 })
}))

test('a collection keeps exactly what the pins hold', () => alone(async node => {
  const kept = chain(40)
  const lost = chain(41)
  const direct = chain(3)
  const shared = rawBlock('in two folders')
  const [keptFolder, lostFolder] = [folderBlock({ shared, own: rawBlock('kept') }), folderBlock({ shared, own: rawBlock('lost') })]
  await node.putBlocks(streamOf([...kept, ...lost, ...direct, shared, rawBlock('kept'), rawBlock('lost'), keptFolder, lostFolder]))
  await node.pinMany([pinOf((kept[0] as Block).cid), pinOf((lost[0] as Block).cid), pinOf(keptFolder.cid), pinOf(lostFolder.cid)])
  await node.pin(pinOf((direct[0] as Block).cid, { mode: 'direct' }))
  assert.deepEqual((await present(node, direct)), direct.map(() => true))
  await node.unpinMany([(lost[0] as Block).cid, lostFolder.cid].map(textOf))
  const before = await node.repositoryStat()
  const removed = await collect(node)
  assert.equal(removed.size, lost.length + direct.length - 1 + 2)
  assert.deepEqual(await present(node, [...kept, direct[0] as Block, shared, keptFolder]), [...kept.map(() => true), true, true, true])
  const after = await node.repositoryStat()
  assert.equal(after.numberOfObjects, before.numberOfObjects - removed.size)
  assert.ok(after.repoSize < before.repoSize)
  assert.deepEqual(await collect(node), new Set())
}))

test('content that is being added or pinned while garbage is collected is never taken', () => alone(async node => {
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>()
  const early = Array.from({ length: 50 }, (_, i) => rawBlock(`early ${i}`))
  const late = Array.from({ length: 50 }, (_, i) => rawBlock(`late ${i}`))
  const root = folderBlock(Object.fromEntries([...early, ...late].map((each, i) => [`file ${i}`, each])))
  const { promise: half, resolve: halfDone } = Promise.withResolvers<void>()
  const adding = node.putBlocks((async function * () {
    yield * early
    halfDone()
    await gate
    yield * late
    yield root
  })())
  await half
  const [first] = await Promise.all([collect(node), collect(node)])
  assert.equal(first?.size, 0, 'the stream has not ended')
  openGate()
  await adding
  const pinning = node.pin(pinOf(root.cid))
  const collecting = collect(node)
  await pinning.catch((error: unknown) => { assert.equal((error as { code: string }).code, 'IPFS_STALLED') })
  await collecting
  if (await node.pinStatus(textOf(root.cid)) === 'recursive') assert.ok((await present(node, [...early, ...late, root])).every(Boolean))
}))

test('after a stream has ended, its blocks are left alone for a while', () => alone(async node => {
  const added = rawBlock('just added')
  await node.putBlocks(streamOf([added]))
  assert.deepEqual(await collect(node), new Set())
  await node.pin(pinOf(added.cid))
}, { putLeaseMs: 60_000 }))

test('once it is pinned, what was added is garbage as soon as it is unpinned, but not what was added around it', () => alone(async node => {
  const leaves = Array.from({ length: 5 }, (_, i) => rawBlock(`leaf ${i}`))
  const inner = folderBlock(Object.fromEntries(leaves.map((leaf, i) => [`${i}`, leaf])))
  const beside = rawBlock('beside')
  const outer = folderBlock({ beside, inner })
  await node.putBlocks(streamOf([...leaves, inner]))
  await node.pin(pinOf(inner.cid))
  await node.putBlocks(streamOf([...leaves, inner, beside, outer]))
  await node.unpin(textOf(inner.cid))
  assert.deepEqual(await collect(node), new Set(), 'the pin of the outer folder may yet come')
  await node.pin(pinOf(outer.cid))
  await node.putBlocks(streamOf([beside, outer]))
  await node.pin(pinOf(outer.cid))
  await node.unpin(textOf(outer.cid))
  assert.equal((await collect(node)).size, leaves.length + 3)
}, { putLeaseMs: 60_000 }))

test('what a broken stream has left is garbage at once', () => alone(async node => {
  const blocks = Array.from({ length: 20 }, (_, i) => rawBlock(`before the end ${i}`))
  await assert.rejects(node.putBlocks((async function * () {
    yield * blocks
    throw new Error('the client has gone')
  })()), /the client has gone/)
  assert.equal((await collect(node)).size, blocks.length)
}, { putLeaseMs: 60_000 }))

test('a pin under way keeps what it has got', () => alone(async node => {
  const blocks = chain(30)
  await node.putBlocks(streamOf(blocks.slice(0, 40)))
  const pinning = node.pin(pinOf((blocks[0] as Block).cid))
  assert.equal((await collect(node)).size, 0)
  await node.putBlocks(streamOf(blocks.slice(40)))
  await pinning
}, { pinTimeoutMs: 20_000 }))

test('random adds, pins, unpins and collections at once leave every pin whole', () => alone(async node => {
  const trees = Array.from({ length: 12 }, (_, i) => {
    const leaves = Array.from({ length: 30 }, (_, j) => rawBlock(`leaf ${j % 10 < 5 ? `shared ${j}` : `${i}/${j}`}`))
    return { leaves, root: folderBlock(Object.fromEntries(leaves.map((leaf, j) => [`${j}`, leaf]))) }
  })
  let over = false
  const collecting = (async () => {
    while (!over) await collect(node)
  })()
  await Promise.all(trees.map(async ({ leaves, root }, i) => {
    for (let round = 0; round < 5; round++) {
      await node.putBlocks(streamOf([...leaves, root]))
      await node.pin(pinOf(root.cid))
      assert.ok((await present(node, [...leaves, root])).every(Boolean))
      if ((round + i) % 2 === 0) await node.unpin(textOf(root.cid))
    }
  }))
  over = true
  await collecting
  for (const { leaves, root } of trees) if (await node.pinStatus(textOf(root.cid)) === 'recursive') assert.ok((await present(node, [...leaves, root])).every(Boolean))
}, { putLeaseMs: 60_000, pinTimeoutMs: 5_000 }))

test('a pin with a hole stops a collection before it takes anything, unless another node has what is missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'))
  try {
    const blocks = chain(10)
    const options = nodeOptions(folder, { listenAddresses: [], pinTimeoutMs: 300 })
    const first = embeddedConnector(options, platform)
    await first.start(new AbortController().signal)
    await first.putBlocks(streamOf([blocks[2] as Block]))
    await first.stop()
    const [only] = await readdir(join(folder, 'blocks', 'segments'))
    const node = embeddedConnector(options, platform)
    await node.start(new AbortController().signal)
    await node.putBlocks(streamOf([...blocks, rawBlock('garbage')]))
    await node.pin(pinOf((blocks[0] as Block).cid))
    await node.stop()
    const file = await open(join(folder, 'blocks', 'segments', only as string), 'r+')
    await file.write(Uint8Array.of(0xff), 0, 1, 60)
    await file.close()
    const again = embeddedConnector(options, platform)
    await again.start(new AbortController().signal)
    await assert.rejects(collect(again), { code: 'IPFS_ANSWER', message: /garbage collection removed nothing: block bafy\S+ of a pin is missing/ })
    assert.deepEqual(await present(again, [rawBlock('garbage')]), [true])
    const other = embeddedConnector({ ...options, folder: join(folder, 'other'), listenAddresses: [loopback] }, platform)
    await other.start(new AbortController().signal)
    await other.putBlocks(streamOf([blocks[2] as Block]))
    await again.connectSwarm((await other.id()).addresses ?? [])
    assert.equal((await collect(again)).size, 1)
    assert.deepEqual(await present(again, [...blocks, rawBlock('garbage')]), [...blocks.map(() => true), false])
    await Promise.all([again.stop(), other.stop()])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('blocks without a known codec can be pinned directly only; malformed ones are named', () => alone(async node => {
  const [unknown, malformed] = [block(0x1234, Buffer.from('?')), block(0x71, Uint8Array.of(0x9f))]
  const identity = { cid: unknown.cid, bytes: unknown.bytes }
  await node.putBlocks(streamOf([identity, malformed]))
  await assert.rejects(node.pin(pinOf(unknown.cid)), { code: 'IPFS_ANSWER', message: /no decoder registered for multicodec code 4660/ })
  await assert.rejects(node.pin(pinOf(malformed.cid)), { code: 'IPFS_ANSWER', message: new RegExp(`block ${malformed.cid} cannot be walked`) })
  await node.pin(pinOf(unknown.cid, { mode: 'direct' }))
  assert.equal(await node.pinStatus(textOf(unknown.cid)), 'direct')
}))

test('a DAG whose ways multiply is walked once', () => alone(async node => {
  const blocks: Block[] = [rawBlock('bottom')]
  for (let i = 0; i < 60; i++) blocks.unshift(cbor([(blocks[0] as Block).cid, (blocks[0] as Block).cid, i]))
  await node.putBlocks(streamOf(blocks))
  let count = 0
  await node.pin(pinOf((blocks[0] as Block).cid), { onProgress: blocks => { count = blocks } })
  assert.equal(count, blocks.length)
}))

test('a stream of blocks that is too large, wrong or too much is refused, and what came before stays', () => withNodes([{ listenAddresses: [], storageMaxBytes: 300_000 }], async node => {
  const fits = Array.from({ length: 3 }, () => rawBlock(randomBytes(50_000)))
  const over = Array.from({ length: 5 }, () => rawBlock(randomBytes(50_000)))
  await node.putBlocks(streamOf(fits))
  await assert.rejects(node.putBlocks(streamOf(over)), { code: 'STORE_FULL', message: /the embedded IPFS node is full: it holds \d+ of at most 300000 bytes/ })
  await assert.rejects(node.putBlocks(streamOf([rawBlock(Buffer.alloc(16 * 1024 * 1024 + 1))])), { code: 'TOO_LARGE' })
  await assert.rejects(node.putBlocks(streamOf([{ cid: rawBlock('a').cid, bytes: Buffer.from('b') }])), { code: 'INVALID_INPUT' })
  assert.ok((await present(node, fits)).every(Boolean))
  const { repoSize, storageMax } = await node.repositoryStat()
  assert.ok(repoSize <= storageMax)
  await collect(node)
  await node.putBlocks(streamOf(over))
}))

test('a block that rotted is fetched again when anybody finds out, whoever asked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'))
  try {
    const nodes = ['keeper', 'other', 'asking'].map(name => embeddedConnector(nodeOptions(join(folder, name)), platform)) as [EmbeddedConnector, EmbeddedConnector, EmbeddedConnector]
    const [keeper, other, asking] = nodes
    for (const node of nodes) await node.start(new AbortController().signal)
    const rotten = rawBlock('it will rot')
    for (const node of [keeper, other]) {
      await node.putBlocks(streamOf([rotten]))
      await node.pin(pinOf(rotten.cid))
    }
    const addresses = (await keeper.id()).addresses ?? []
    for (const node of [other, asking]) await node.connectSwarm(addresses)
    const file = await open(join(folder, 'keeper', 'blocks', 'segments', '00000001.blocks'), 'r+')
    await file.write(Uint8Array.of(0xff), 0, 1, 55)
    await file.close()
    assert.deepEqual(Buffer.from(await asking.getBlock(textOf(rotten.cid))), Buffer.from(rotten.bytes))
    await other.stop()
    assert.deepEqual(await present(keeper, [rotten]), [true])
    await Promise.all([keeper.stop(), asking.stop()])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
