import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PinMessage } from '../../codec/messages.ts'
import type { Random } from '../../platform/random.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, pinOf, seededRandom, setOf, type CrdtPeer } from './crdt-peers.fixture.ts'
import type { DeltaElement, DeltaNode } from './delta.ts'
import { keyOfPin } from './pin-values.ts'
import { ReferenceSet } from './reference-set.fixture.ts'

const nothing = new Uint8Array(0)

/** One of those that were made, mostly of the last. */
function some (nodes: readonly DeltaNode[], random: Random): DeltaNode {
  return nodes[random.fraction() < 0.6 ? Math.max(0, nodes.length - 1 - random.integer(4)) : random.integer(nodes.length)] as DeltaNode
}

/** Nodes as no peer should make them: empty ones, several roots, priorities that tie or go down, tombstones of what nobody has, a key twice. */
function strangeNodes (bare: BarePeer, random: Random): DeltaNode[] {
  const nodes: DeltaNode[] = []
  for (let left = 5 + random.integer(50); left > 0; left--) {
    const parents = nodes.length === 0 ? [] : [...new Set(Array.from({ length: random.integer(4) }, () => some(nodes, random)))]
    const highest = Math.max(0, ...parents.map(({ delta }) => delta.priority))
    const elements = Array.from({ length: random.integer(4) }, (): DeltaElement => {
      const pin = pinOf(random.integer(5), { name: `name ${random.integer(9)}` })
      return { key: keyOfPin(pin), id: '', value: PinMessage.encodeProtobuf(pin) }
    })
    const tombstones = Array.from({ length: nodes.length === 0 ? 0 : random.integer(3) }, (): DeltaElement => {
      const { blockId, delta } = some(nodes, random)
      const key = delta.elements[random.integer(5)]?.key ?? keyOfPin(pinOf(random.integer(5)))
      return { key, id: random.fraction() < 0.9 ? blockId : '/CIQNOBODY', value: nothing }
    })
    nodes.push(bare.node(random.fraction() < 0.85 ? highest + 1 : random.integer(12), parents, [], { elements, tombstones }))
  }
  return nodes
}

test('whatever nodes others make, and in whatever order they come, the set is what the rules say', () => fc.assert(fc.asyncProperty(fc.nat(), async seed => {
  const random = seededRandom(seed)
  const peers = new CrdtPeers(virtualClock())
  const bare = await BarePeer.start(peers, 9)
  const nodes = strangeNodes(bare, random)
  const rules = new ReferenceSet()
  for (const node of nodes) rules.merge(node)
  const hidden = nodes.filter(() => random.fraction() < 0.15)
  for (const { cid } of hidden) bare.blocks.delete(cid.toString())

  const all = [await peers.start(0), await peers.start(1)]
  for (let step = 0; step < 10; step++) {
    await bare.tell([some(nodes, random), some(nodes, random)].map(({ cid }) => cid))
    await peers.clock.advance(random.integer(3_000))
    if (random.fraction() < 0.3) {
      const n = random.integer(2)
      const { store } = all[n] as CrdtPeer
      await peers.done((all[n] as CrdtPeer).stop())
      all[n] = await peers.start(n, { store })
    }
  }
  for (const { cid, bytes } of hidden) bare.blocks.set(cid.toString(), bytes)
  const followed = new Set(nodes.flatMap(({ links }) => links.map(String)))
  const heads = new Map(nodes.map(({ cid }) => [cid.toString(), cid] as const).filter(([text]) => !followed.has(text)))
  for (let n = 0; n < 4; n++) {
    await bare.tell([...heads.values()])
    await peers.clock.advance(60_000)
  }
  all.push(await peers.start(2))
  await peers.clock.advance(120_000)

  const expected = [...rules.values].flatMap(([key, { value, priority }]) => [`/c/s/k${key}/p=${Buffer.from([priority + 1]).toString('hex')}`, `/c/s/k${key}/v=${Buffer.from(value).toString('hex')}`])
  for (const peer of all) {
    assert.deepEqual((await setOf(peer)).filter(entry => entry.startsWith('/c/s/k/')), expected.toSorted())
    assert.deepEqual(peer.consensus.inspect().heads.toSorted(), [...heads.keys()].toSorted())
    assert.deepEqual(peer.consensus.inspect().unmerged, { missing: 0, stored: 0 })
    assert.equal(peer.consensus.pinset().count(), rules.values.size)
    assert.equal(peer.consensus.digestReport(), all[0]?.consensus.digestReport())
  }
  await peers.stop()
}), { numRuns: 20 }))
