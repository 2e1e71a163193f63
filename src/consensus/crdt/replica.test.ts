import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { cidKey } from '../../domain/cid.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store } from '../../platform/store.ts'
import { decodeBroadcast, encodeBroadcast } from './broadcast-message.ts'
import { decodeDelta, decodeDeltaNode, encodeDelta, encodeDeltaNode, type DeltaNode } from './delta.ts'
import { replicaKeys, suspectKey } from './keys.ts'
import { ReferenceSet } from './reference-set.fixture.ts'
import { Replica } from './replica.ts'

const keys = replicaKeys('/c')
const names = ['/AFKREIAA', '/AFKREIAB', '/AFKREIAC']

interface Peer { readonly store: Store, readonly replica: Replica }

async function peer (): Promise<Peer> {
  const store = memoryStore()
  const replica = new Replica(store, keys)
  await replica.load()
  return { store, replica }
}

/** Gives the key a value, moves what is there, or removes it. */
async function change (at: Peer, key: string, value: number | 'moved' | undefined): Promise<DeltaNode | undefined> {
  if (value === 'moved' && await at.store.get(keys.value(key)) === undefined) return undefined
  const additions = value === undefined ? new Map() : new Map([[key, Uint8Array.of(value === 'moved' ? 4 : value)]])
  const prepared = await at.replica.prepareLocal(additions, value === undefined ? [key] : [], { moves: value === 'moved' ? [key] : [] })
  if (prepared === undefined) return undefined
  await at.store.batch(prepared.operations, { sync: true })
  prepared.applied()
  return prepared.node
}

async function merge (at: Peer, node: DeltaNode): Promise<void> {
  if (await at.replica.isProcessed(node.cid)) return
  const prepared = await at.replica.prepareForeign([{ node: decodeDeltaNode(node.bytes), isInner: false }])
  await at.store.batch(prepared.operations, { sync: true })
  prepared.applied()
}

const steps = fc.array(fc.record({ at: fc.nat(2), key: fc.nat(1), value: fc.constantFrom(0, 1, 2, 3, 'moved' as const, 'moved' as const, undefined, undefined), share: fc.boolean() }), { maxLength: 16 })

/** Keys that have living elements, but none of a user. */
function keptByMoves (nodes: readonly DeltaNode[]): string[] {
  const dead = new Set(nodes.flatMap(({ delta }) => delta.tombstones.map(({ key, id }) => key + id)))
  const living = nodes.flatMap(({ delta, blockId }) => delta.elements.filter(({ key }) => !dead.has(key + blockId)))
  return names.filter(name => living.some(({ key }) => key === name) && !living.some(({ key, id }) => key === name && id === ''))
}

/** Values and heads, which must be equal where all nodes have been merged. */
async function seen (at: Peer): Promise<string[]> {
  const entries = (await Array.fromAsync(at.store.iterate({}))).flat()
  return entries.filter(({ key }) => key.startsWith('/c/s/') || key.startsWith('/c/h/')).map(({ key, value }) => `${key}=${Buffer.from(value).toString('hex')}`)
}

test('replicas that merged the same nodes agree, whatever the order between independent ones', () => fc.assert(fc.asyncProperty(
  steps,
  fc.array(fc.nat(1000), { maxLength: 40 }),
  async (steps, order) => {
    const peers = [await peer(), await peer(), await peer()]
    const nodes: DeltaNode[] = []
    for (const step of steps) {
      const at = peers[step.at] as Peer
      // Sharing before a change makes the histories meet; without, they branch.
      if (step.share) for (const node of nodes) await merge(at, node)
      const node = await change(at, names[step.key] as string, step.value)
      if (node !== undefined) nodes.push(node)
    }
    // A fourth peer takes all in another order that puts parents before children.
    const late = await peer()
    const left = [...nodes]
    for (let turn = 0; left.length > 0; turn++) {
      const ready: DeltaNode[] = []
      for (const node of left) {
        const parents = await Promise.all(node.links.map(link => late.replica.isProcessed(link)))
        if (parents.every(Boolean)) ready.push(node)
      }
      const node = ready[(order[turn % Math.max(1, order.length)] ?? 0) % ready.length] as DeltaNode
      await merge(late, node)
      left.splice(left.indexOf(node), 1)
    }
    for (const at of peers) for (const node of nodes) await merge(at, node)
    const expected = await seen(late)
    for (const at of peers) assert.deepEqual(await seen(at), expected)
    const strays = keptByMoves(nodes)
    for (const { store, replica } of [...peers, late]) {
      assert.deepEqual(await replica.strays(names), strays, 'what no user wants any more')
      for (const key of strays) assert.notEqual(await store.get(suspectKey(key)), undefined, 'it is noted')
    }
  }), { numRuns: 150 }))

test('nodes merged in groups, in any order, give what the rules give one by one', () => fc.assert(fc.asyncProperty(
  steps,
  fc.array(fc.nat(1000), { minLength: 1, maxLength: 40 }),
  fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 10 }),
  fc.boolean(),
  async (steps, order, sizes, keepsDead) => {
    const peers = [await peer(), await peer(), await peer()]
    const nodes: DeltaNode[] = []
    for (const step of steps) {
      const at = peers[step.at] as Peer
      if (step.share) for (const node of nodes) await merge(at, node)
      const node = await change(at, names[step.key] as string, step.value)
      if (node !== undefined) nodes.push(node)
    }
    // Also children before parents: heads apart, the set must not depend on it.
    const shuffled = nodes.map((node, i) => ({ node, rank: order[i % order.length] as number })).toSorted((a, b) => a.rank - b.rank).map(({ node }) => node)
    const reference = new ReferenceSet()
    for (const node of nodes) reference.merge(node)
    const grouped = await peer()
    const dead = new Set<string>()
    for (let turn = 0; shuffled.length > 0; turn++) {
      const group = shuffled.splice(0, sizes[turn % sizes.length])
      const before = await values(grouped)
      const prepared = await grouped.replica.prepareForeign(group.map(node => ({ node: decodeDeltaNode(node.bytes), isInner: false })))
      await grouped.store.batch(prepared.operations, { sync: true })
      prepared.applied()
      // As the Go program leaves it, which keeps the entries of what is dead.
      if (keepsDead) await grouped.store.batch(group.flatMap(({ delta, blockId }) => delta.elements.map(({ key, id }) => ({ type: 'put', key: keys.element(key, blockId), value: Buffer.from(id) }))), { sync: true })
      const after = await values(grouped)
      const changed = new Set([...before, ...after].filter(([key, { value }]) => value !== before.get(key)?.value || value !== after.get(key)?.value).map(([key]) => key))
      // Removals are told also where nothing was: whoever acts on the pins may have one that the store lost.
      const told = prepared.changes.filter(({ value, previous }) => value !== undefined || previous !== undefined)
      // And so is what is gone as it comes, where another value stays.
      for (const { delta } of group) for (const { key, id } of delta.tombstones) dead.add(key + id)
      for (const { delta, blockId } of group) for (const { key } of delta.elements) if (dead.has(key + blockId) && after.has(key)) changed.add(key)
      assert.deepEqual(told.map(({ cid }) => `/${cidKey(cid)}`).toSorted(), [...changed].toSorted(), 'the changes that are told')
    }
    const expected = new Map([...reference.values].map(([key, { value, priority }]) => [key, { value: Buffer.from(value).toString('hex'), priority }]))
    assert.deepEqual(await values(grouped), expected)
    const strays = keptByMoves(nodes)
    assert.deepEqual(await grouped.replica.strays(names), strays, 'what no user wants any more')
    for (const key of strays) assert.notEqual(await grouped.store.get(suspectKey(key)), undefined, 'it is noted')
  }), { numRuns: 300 }))

test('what came and went is told where another value stays: whoever acts on the pins may have taken it before the store lost it', async () => {
  const [key] = names as [string]
  const at = await peer()
  const stays = encodeDeltaNode({ elements: [{ key, id: '', value: Uint8Array.of(1) }], tombstones: [], priority: 1 }, [])
  const comes = encodeDeltaNode({ elements: [{ key, id: '', value: Uint8Array.of(2) }], tombstones: [], priority: 2 }, [])
  const goes = encodeDeltaNode({ elements: [], tombstones: [{ key, id: comes.blockId, value: new Uint8Array(0) }], priority: 3 }, [comes.cid])
  await merge(at, stays)
  const { changes } = await at.replica.prepareForeign([comes, goes].map(node => ({ node: decodeDeltaNode(node.bytes), isInner: false })))
  assert.deepEqual(changes.map(({ cid, value, previous }) => [`/${cidKey(cid)}`, value, previous]), [[key, Uint8Array.of(1), Uint8Array.of(1)]])
})

/** Values and priorities by key. */
async function values ({ store }: Peer): Promise<Map<string, { value: string, priority: number }>> {
  const entries = new Map((await Array.fromAsync(store.iterate({ gte: '/c/s/k/', lt: '/c/s/k0' }))).flat().map(({ key, value }) => [key, value]))
  const found = new Map<string, { value: string, priority: number }>()
  for (const [key, value] of entries) {
    if (!key.endsWith('/v')) continue
    found.set(key.slice('/c/s/k'.length, -2), { value: Buffer.from(value).toString('hex'), priority: (entries.get(`${key.slice(0, -1)}p`)?.[0] ?? 0) - 1 })
  }
  return found
}

const golden = join(process.env['FLOTILLA_GOLDEN'] ?? '../shared/golden', 'wire', 'delta-nodes.json')

test('delta nodes of the reference are read, and written to the same bytes', { skip: existsSync(golden) ? false : 'no recordings' }, () => {
  const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: Array<{ cid: string, block_id: string, block_hex: string, delta_hex: string, delta: { priority: number, elements: Array<{ key: string, value_hex: string }>, tombstones: Array<{ key: string, id: string }> } }> }
  assert.ok(cases.length > 0)
  for (const recorded of cases) {
    const bytes = Buffer.from(recorded.block_hex, 'hex')
    const node = decodeDeltaNode(bytes)
    assert.equal(node.cid.toString(), recorded.cid)
    assert.equal(node.blockId, recorded.block_id)
    assert.equal(node.delta.priority, recorded.delta.priority)
    assert.deepEqual(node.delta.elements.map(element => [element.key, Buffer.from(element.value).toString('hex')]), recorded.delta.elements.map(element => [element.key, element.value_hex]))
    assert.deepEqual(node.delta.tombstones.map(({ key, id }) => [key, id]), recorded.delta.tombstones.map(({ key, id }) => [key, id]))
    assert.equal(Buffer.from(encodeDelta(node.delta)).toString('hex'), recorded.delta_hex)
    assert.equal(Buffer.from(encodeDeltaNode(node.delta, node.links).bytes).toString('hex'), recorded.block_hex)
  }
})

test('bytes that are no delta node are refused', () => fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
  try {
    decodeDeltaNode(bytes)
  } catch (error) {
    assert.equal((error as { code: string }).code, 'INVALID_WIRE_DATA')
  }
})))

test('a move of what only moves keep, whose pin is removed, is a stray as well', async () => {
  const [key] = names as [string]
  const [one, other] = [await peer(), await peer()]
  const pinned = await change(one, key, 1) as DeltaNode
  await merge(other, pinned)
  const moved = await change(one, key, 'moved') as DeltaNode
  const removed = await change(other, key, undefined) as DeltaNode
  assert.deepEqual(removed.delta.tombstones, [{ key, id: pinned.blockId, value: new Uint8Array(0) }])
  await merge(other, moved)
  await merge(one, removed)
  const movedOn = await change(other, key, 'moved') as DeltaNode
  assert.deepEqual(movedOn.delta.elements.map(({ id }) => id), [pinned.blockId])
  await merge(one, movedOn)
  for (const { replica } of [one, other]) assert.deepEqual(await replica.strays([key]), [key])
})

test('a key of which a block is gone keeps its value when values are looked at', async () => {
  const [key, whole] = names as [string, string]
  const { store, replica } = await peer()
  const nodes = [1, 2].map(n => encodeDeltaNode({ elements: [key, whole].map(key => ({ key, id: '', value: Uint8Array.of(n) })), tombstones: [], priority: n }, []))
  const alone = encodeDeltaNode({ elements: [{ key, id: '', value: Uint8Array.of(3) }], tombstones: [], priority: 3 }, [])
  for (const node of [...nodes, alone]) await merge({ store, replica }, node)
  const wrong = [key, whole].flatMap(key => [{ type: 'put', key: keys.value(key), value: Uint8Array.of(9) }, { type: 'put', key: keys.priority(key), value: Uint8Array.of(10) }] as const)
  await store.batch([...wrong, { type: 'del', key: keys.block(alone.blockId.slice(1)) }], { sync: true })
  const { operations, changes } = await replica.prepareBest([key, whole], new Map())
  assert.deepEqual(changes.map(({ cid, value }) => [`/${cidKey(cid)}`, value]), [[whole, Uint8Array.of(2)]])
  assert.deepEqual(operations.map(({ key }) => key), [keys.value(whole), keys.priority(whole)])
})

test('heads are known again, whatever the order in which they came, unless another program has changed them', async () => {
  const nodes = Array.from({ length: 4 }, (_, n) => encodeDeltaNode({ elements: [], tombstones: [], priority: n + 1 }, []))
  const fingerprints = new Set<string>()
  for (const order of [nodes, nodes.toReversed()]) {
    const at = await peer()
    for (const node of order) await merge(at, node)
    fingerprints.add(at.replica.heads.fingerprint())
    assert.deepEqual(at.replica.heads.cids().map(String), nodes.map(({ cid }) => cid).toSorted((a, b) => Buffer.compare(a.bytes, b.bytes)).map(String))
    const again = new Replica(at.store, keys)
    await again.load()
    assert.deepEqual([again.isOwn, again.heads.fingerprint(), again.heads.maxHeight()], [true, at.replica.heads.fingerprint(), 4])
    await at.store.batch([{ type: 'del', key: keys.head((nodes[0] as DeltaNode).blockId.slice(1)) }], { sync: true })
    await again.load()
    assert.equal(again.isOwn, false)
  }
  assert.equal(fingerprints.size, 1)
})

test('fields of a delta that are not known are skipped, whatever their kind, and what is cut off is refused', () => {
  const delta = { elements: [{ key: '/AFKREIAA', id: '', value: Uint8Array.of(1) }], tombstones: [], priority: 300 }
  const known = encodeDelta(delta)
  // Field 15 as a number, of eight bytes, of some bytes and of four.
  for (const unknown of [[0x78, 0x80, 0x01], [0x79, 1, 2, 3, 4, 5, 6, 7, 8], [0x7a, 2, 1, 2], [0x7d, 1, 2, 3, 4]]) {
    assert.deepEqual(decodeDelta(Uint8Array.of(...unknown, ...known, ...unknown)), delta)
    for (let length = 1; length < unknown.length; length++) assert.throws(() => decodeDelta(Uint8Array.of(...known, ...unknown.slice(0, length))), { code: 'INVALID_WIRE_DATA' }, `${length} of ${unknown.length} bytes`)
  }
  for (const kind of [3, 4, 6, 7]) assert.throws(() => decodeDelta(Uint8Array.of((15 << 3) | kind, 1, 1, 1, 1, 1, 1, 1, 1)), { code: 'INVALID_WIRE_DATA' })
})

test('a folder of a later version is refused, one of this version and a new one are not', async () => {
  for (const [version, isTaken] of [[undefined, true], [2, true], [3, false]] as const) {
    const store = memoryStore(version === undefined ? [] : [{ key: keys.version, value: Uint8Array.of(version) }])
    const loaded = new Replica(store, keys).load()
    if (isTaken) await loaded
    else await assert.rejects(loaded, { code: 'STORE_DAMAGED' })
    assert.deepEqual(await store.get(keys.version), Uint8Array.of(version ?? 2))
  }
})

test('a node or a message that is larger than others may write it is refused', () => {
  const mebibyte = 1024 * 1024
  const nodeOf = (valueBytes: number): Uint8Array => encodeDeltaNode({ elements: [{ key: '/AFKREIAA', id: '', value: new Uint8Array(valueBytes) }], tombstones: [], priority: 1 }, []).bytes
  assert.equal(decodeDeltaNode(nodeOf(4 * mebibyte - 100)).delta.elements.length, 1)
  assert.throws(() => decodeDeltaNode(nodeOf(4 * mebibyte)), { code: 'INVALID_WIRE_DATA' })
  const keysOf = (length: number): string[] => decodeDelta(encodeDelta({ elements: [{ key: `/${'A'.repeat(length - 1)}`, id: '', value: Uint8Array.of(1) }], tombstones: [], priority: 1 })).elements.map(({ key }) => key)
  assert.deepEqual([keysOf(1_700).length, keysOf(1_701).length], [1, 0], 'nor is there a CID whose text is so long')
  const { cid } = decodeDeltaNode(nodeOf(1))
  const messageOf = (blockBytes: number): Uint8Array => encodeBroadcast([{ cid, block: new Uint8Array(blockBytes) }])
  assert.equal(decodeBroadcast(messageOf(mebibyte - 100)).length, 1)
  assert.throws(() => decodeBroadcast(messageOf(mebibyte)), { code: 'INVALID_WIRE_DATA' })
})
