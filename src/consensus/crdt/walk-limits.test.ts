import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer, tombstone } from './bare-peer.fixture.ts'
import { CrdtPeers, namesOf, pinOf, setOf } from './crdt-peers.fixture.ts'
import { encodeDeltaNode, type DeltaElement } from './delta.ts'
import { keyOfPin } from './pin-values.ts'

const mebibyte = 1024 * 1024
const well = { missing: 0, stored: 0 }

/** What makes a node large; no pin of its key, so that it is left out. */
const filling = (bytes: number): { readonly elements: readonly DeltaElement[] } => ({ elements: [{ key: keyOfPin(pinOf(999)), id: '', value: new Uint8Array(bytes) }] })

test('large nodes that wait for the same one are merged when it comes, though no step reads them all', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const other = await BarePeer.start(peers, 1)
  const root = other.node(1, [], [pinOf(0)])
  other.blocks.delete(root.cid.toString())
  const large = Array.from({ length: 8 }, (_, n) => other.node(2, [root], [pinOf(n + 1)], filling(3 * mebibyte)))
  for (const { cid } of large) {
    await other.tell([cid])
    await peers.clock.advance(1_000)
  }
  assert.deepEqual(a.consensus.inspect().unmerged, { missing: 1, stored: 8 })
  other.blocks.set(root.cid.toString(), root.bytes)
  await peers.clock.advance(60_000)
  assert.deepEqual(a.consensus.inspect().unmerged, well)
  assert.equal((await namesOf(a)).length, 9)
  assert.deepEqual(a.consensus.inspect().heads.toSorted(), large.map(({ cid }) => cid.toString()).toSorted())
  assert.deepEqual((await Array.fromAsync(a.store.keys({ gte: '/flotilla/walk/', lt: '/flotilla/walk0' }))).flat(), ['/flotilla/walk/summary'])
  await peers.stop()
})

test('nothing is left on the disk of nodes that wait for the same one, also of as many as one step looks at', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const other = await BarePeer.start(peers, 1)
  const root = other.node(1, [], [pinOf(0)])
  other.blocks.delete(root.cid.toString())
  // The first one stands apart.
  const nodes = Array.from({ length: 1_024 + 1 }, (_, n) => other.node(2, [root], [pinOf(n + 1)]))
  for (let at = 0; at < nodes.length; at += 500) {
    await other.tell(nodes.slice(at, at + 500).map(({ cid }) => cid))
    await peers.clock.advance(2_000)
  }
  assert.deepEqual(a.consensus.inspect().unmerged, { missing: 1, stored: nodes.length })
  other.blocks.set(root.cid.toString(), root.bytes)
  await peers.clock.advance(60_000)
  assert.deepEqual([a.consensus.inspect().unmerged, a.consensus.pinset().count()], [well, nodes.length + 1])
  assert.deepEqual((await Array.fromAsync(a.store.keys({ gte: '/flotilla/walk/', lt: '/flotilla/walk0' }))).flat(), ['/flotilla/walk/summary'])
  await peers.stop()
})

test('nodes that came faster than they can be merged are merged when no more come, however large they are together', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  const other = await BarePeer.start(peers, 1)
  const dead = encodeDeltaNode({ elements: [], tombstones: [], priority: 1 }, [])
  // A step merges two of them, and reads back some twelve at most.
  const tombstones = Array<DeltaElement>(2_000).fill(tombstone(pinOf(0), dead))
  const nodes = Array.from({ length: 30 }, (_, n) => other.node(1, [], [pinOf(n + 1)], { ...filling(700_000), tombstones }))
  await other.tell(nodes.map(({ cid }) => cid))
  await peers.clock.advance(60_000)
  assert.deepEqual([a.consensus.inspect().unmerged, a.consensus.pinset().count(), a.consensus.inspect().headCount], [well, 30, 30])
  await peers.stop()
})

test('history is read no faster than it is merged', async () => {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  for (let n = 0; n < 40; n++) {
    await peers.done(a.consensus.logPin(pinOf(n, { metadata: { text: 'x'.repeat(mebibyte) } })))
    await peers.clock.advance(200)
  }
  const memory = memoryStore()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  let isSlow = false
  const store: Store = {
    ...memory,
    batch: async (operations, options) => {
      if (isSlow) await gate
      await memory.batch(operations, options)
    },
  }
  let bytes = 0
  const b = await peers.start(1, {
    store,
    network: network => ({
      ...network,
      open: async (...args) => {
        const stream = await network.open(...args)
        const counted = async function * (): AsyncGenerator<Uint8Array> {
          for await (const chunk of stream.incoming) {
            bytes += chunk.length
            if (bytes > 2 * mebibyte) isSlow = true
            yield chunk
          }
        }
        const { signal } = stream
        return { peer: stream.peer, signal, incoming: counted(), write: part => stream.write(part), closeWrite: () => stream.closeWrite(), reset: () => { stream.reset() } }
      },
    }),
  })
  await peers.clock.advance(10_000)
  assert.ok(bytes > 16 * mebibyte && bytes < 24 * mebibyte, `${bytes} bytes`)
  open()
  isSlow = false
  await peers.clock.advance(10_000)
  assert.deepEqual(await setOf(b), await setOf(a))
  await peers.stop()
})
