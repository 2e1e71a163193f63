import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { cidFromBytes } from '../../src/domain/cid.ts'
import { ours, RealCluster, type RealPeer } from './real-peers.ts'

const pins = 500

function cidOf (n: number): string {
  return cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...createHash('sha256').update(`three peers ${n}`).digest()]))
}

/** Statuses of a pin by peer name. */
function statusesOf (info: { peer_map: Record<string, { peername: string, status: string }> }): string[] {
  return Object.values(info.peer_map).map(({ status }) => status).toSorted()
}

test('three peers', { timeout: 300_000 }, async t => {
  const cluster = await RealCluster.start([ours, ours, ours])
  try {
    const [first, , third] = cluster.peers as [RealPeer, RealPeer, RealPeer]

    await t.test('pins made at any of them come to all, are held by two, and every peer lists the same', async () => {
      for (let at = 0; at < pins; at += 50) {
        await Promise.all(Array.from({ length: 50 }, async (_, i) => {
          const peer = cluster.peers[i % 3] as RealPeer
          const response = await fetch(`${peer.api}/pins/${cidOf(at + i)}?replication=2`, { method: 'POST' })
          assert.equal(response.status, 200, await response.text())
        }))
      }
      for (const peer of cluster.peers) {
        await cluster.wait(`${peer.name} to list all pins as pinned`, async () => {
          const infos = await cluster.lines(peer, '/pins')
          return infos.length === pins && infos.every(info => statusesOf(info).join(' ') === 'pinned pinned remote')
        })
      }
      const lists = await Promise.all(cluster.peers.map(peer => cluster.lines(peer, '/allocations')))
      assert.deepEqual(lists[1], lists[0])
      assert.deepEqual(lists[2], lists[0])
    })

    await t.test('an unpin at one removes the pin from all', async () => {
      await cluster.lines(first, `/pins/${cidOf(0)}`, 'DELETE')
      for (const peer of cluster.peers) await cluster.wait(`${peer.name} to drop the pin`, async () => (await cluster.lines(peer, '/allocations')).length === pins - 1)
    })

    await t.test('the graph, the peers and the collection of garbage show all three', async () => {
      const [graph] = await cluster.lines(third, '/health/graph')
      assert.deepEqual(Object.values(graph.cluster_links as Record<string, string[]>).map(links => links.length), [2, 2, 2])
      const [collection] = await cluster.lines(third, '/ipfs/gc', 'POST')
      assert.deepEqual(Object.keys(collection.peer_map as object).toSorted(), cluster.peers.map(({ id }) => id).toSorted())
      assert.deepEqual((await cluster.lines(first, '/peers')).map(({ peername }) => peername as string).toSorted(), ['peer0', 'peer1', 'peer2'])
      const metrics = (await cluster.lines(first, '/monitor/metrics/freespace')).flat()
      assert.equal(metrics.length, 3)
    })

    await t.test('a peer that is killed is missed, and no longer asked', async () => {
      await cluster.kill(2)
      await cluster.wait('the alert', async () => (await cluster.lines(first, '/health/alerts')).flat().some(({ name, peer }) => name === 'ping' && peer === third.id))
      await cluster.wait('a list without it', async () => (await cluster.lines(first, '/pins')).every(info => !(third.id in info.peer_map)))
    })

    await t.test('it comes back by the addresses that it has saved', async () => {
      await cluster.restart(2)
      for (const peer of cluster.peers) await cluster.wait(`${peer.name} to see all`, () => cluster.seesAll(peer))
      await cluster.wait('all to be pinned', async () => (await cluster.lines(first, '/pins')).every(info => statusesOf(info).join(' ') === 'pinned pinned remote'))
    })

    await t.test('all end in order', async () => {
      for (const { process } of cluster.peers) process.kill('SIGINT')
      await cluster.wait('all to end', async () => cluster.peers.every(({ process }) => process.exitCode !== null))
      assert.deepEqual(cluster.peers.map(({ process }) => process.exitCode), [0, 0, 0])
    })
  } finally {
    await cluster.stop()
  }
})
