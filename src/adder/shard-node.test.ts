import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { decode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { linkNodes, maxNodeLinks } from './shard-node.ts'

/** Of blocks numbered from 0. */
function links (count: number): CID[] {
  return Array.from({ length: count }, (_, n) => CID.createV1(0x55, createDigest(0x12, createHash('sha256').update(String(n)).digest())))
}

const listed = (bytes: Uint8Array): Record<string, CID> => decode(bytes)

test('up to what fits a block one node lists all links by their numbers', async () => {
  for (const count of [0, 1, 12, maxNodeLinks]) {
    const all = links(count)
    const [root, ...others] = await linkNodes(all)
    assert.deepEqual(others, [])
    const node = listed(root.bytes)
    assert.equal(Object.keys(node).length, count)
    for (const [n, link] of all.entries()) assert.ok(node[n]?.equals(link))
    assert.ok(root.cid.equals(CID.createV1(0x71, createDigest(0x12, createHash('sha256').update(root.bytes).digest()))))
  }
})

test('more are listed by leaves, which number theirs from 0 each, and the root lists the leaves', async () => {
  // Where the last leaf would be full there is an empty one behind it, as in the Go program.
  for (const [count, sizes] of [[maxNodeLinks + 1, [maxNodeLinks, 1]], [2 * maxNodeLinks, [maxNodeLinks, maxNodeLinks, 0]]] as const) {
    const all = links(count)
    const [root, ...leaves] = await linkNodes(all)
    assert.deepEqual(leaves.map(({ bytes }) => Object.keys(listed(bytes)).length), sizes)
    for (const [n, link] of all.entries()) assert.ok(listedIn(leaves[Math.floor(n / maxNodeLinks)]?.bytes, n % maxNodeLinks).equals(link))
    const node = listed(root.bytes)
    assert.deepEqual(Object.keys(node).length, leaves.length)
    for (const [n, leaf] of leaves.entries()) assert.ok(node[n]?.equals(leaf.cid))
  }
})

const decoded = new WeakMap<Uint8Array, Record<string, CID>>()
function listedIn (bytes: Uint8Array = new Uint8Array(0), n: number): CID {
  const node = decoded.get(bytes) ?? listed(bytes)
  decoded.set(bytes, node)
  return node[n] as CID
}
