import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { cidFromBytes } from '../../src/domain/cid.ts'
import { ours, RealCluster, type RealPeer } from '../cluster/real-peers.ts'

const folder = process.env['FLOTILLA_GO_BIN']
const skip = folder === undefined ? 'FLOTILLA_GO_BIN names no folder with the reference\'s programs' : false
const theirs = join(folder ?? '', 'ipfs-cluster-service')
const pins = 300

function cidOf (n: number | string): string {
  return cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...createHash('sha256').update(`mixed ${n}`).digest()]))
}

function statusesOf (info: { peer_map: Record<string, { status: string }> }): string {
  return Object.values(info.peer_map).map(({ status }) => status).toSorted().join(' ')
}

// Who is joined matters: each kind takes in peers of the other.
for (const [title, services] of [['two peers of ours join one of theirs', [theirs, ours, ours]], ['one of theirs joins two of ours', [ours, ours, theirs]]] as const) {
  test(title, { skip, timeout: 300_000 }, async t => {
    const cluster = await RealCluster.start(services)
    const ofOurs = cluster.peers.filter(({ service }) => service === ours)
    const their = cluster.peers.find(({ service }) => service === theirs) as RealPeer
    const ids = cluster.peers.map(({ id }) => id).toSorted()
    try {
      await t.test('pins made at any of them are held by two, and every peer lists the same', async () => {
        for (let at = 0; at < pins; at += 30) {
          await Promise.all(Array.from({ length: 30 }, async (_, i) => {
            const peer = cluster.peers[i % 3] as RealPeer
            const response = await fetch(`${peer.api}/pins/${cidOf(at + i)}?replication=2`, { method: 'POST' })
            assert.equal(response.status, 200, await response.text())
          }))
        }
        for (const peer of cluster.peers) {
          await cluster.wait(`${peer.name} to list all pins as pinned`, async () => {
            const infos = await cluster.lines(peer, '/pins')
            return infos.length === pins && infos.every(info => statusesOf(info) === 'pinned pinned remote')
          })
        }
        const [one] = await cluster.lines(ofOurs[0] as RealPeer, `/pins/${cidOf(1)}`)
        assert.deepEqual(Object.keys(one.peer_map as object).toSorted(), ids)
        const [same] = await cluster.lines(their, `/pins/${cidOf(1)}`)
        assert.equal(statusesOf(same), statusesOf(one))
        assert.equal(same.name, one.name)
      })

      await t.test('an unpin of each kind removes the pin from all', async () => {
        await cluster.lines(ofOurs[0] as RealPeer, `/pins/${cidOf(0)}`, 'DELETE')
        await cluster.lines(their, `/pins/${cidOf(1)}`, 'DELETE')
        for (const peer of cluster.peers) await cluster.wait(`${peer.name} to drop the pins`, async () => (await cluster.lines(peer, '/allocations')).length === pins - 2)
      })

      await t.test('peers, graph, garbage and recovery are the same from each kind', async () => {
        for (const peer of [ofOurs[1] as RealPeer, their]) {
          assert.deepEqual((await cluster.lines(peer, '/peers')).map(({ id, peername, error }) => `${id} ${peername} ${error}`).toSorted(), cluster.peers.map(({ id, name }) => `${id} ${name} `).toSorted())
          await cluster.wait(`${peer.name} to see a whole graph`, async () => {
            const [graph] = await cluster.lines(peer, '/health/graph')
            return Object.values(graph.cluster_links as Record<string, string[]>).every(links => links.length === 2) && Object.keys(graph.id_to_peername as object).length === 3
          })
          const [collection] = await cluster.lines(peer, '/ipfs/gc', 'POST')
          assert.deepEqual(Object.values(collection.peer_map as Record<string, { error?: string }>).map(({ error }) => error), [undefined, undefined, undefined])
          assert.deepEqual(await cluster.lines(peer, '/pins/recover', 'POST'), [])
          const [recovered] = await cluster.lines(peer, `/pins/${cidOf(5)}/recover`, 'POST')
          assert.equal(statusesOf(recovered), 'pinned pinned remote')
        }
      })

      await t.test('a peer of theirs that is killed is missed, and no longer asked', async () => {
        await cluster.kill(cluster.peers.indexOf(their))
        const asker = ofOurs[0] as RealPeer
        await cluster.wait('the alert', async () => (await cluster.lines(asker, '/health/alerts')).flat().some(({ name, peer }) => name === 'ping' && peer === their.id))
        await cluster.wait('a list without it', async () => (await cluster.lines(asker, '/pins')).every(info => !(their.id in info.peer_map)))
      })
    } finally {
      await cluster.stop()
    }
  })
}
