import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity } from '../config/identity.ts'
import { seededRandom } from '../tracker/tracker.fixture.ts'
import { ComposedPeers, type ComposedPeer } from './composed-peers.fixture.ts'

/** A peer alone whose IPFS node does not answer. */
async function peerInWait (): Promise<{ world: ComposedPeers, peer: ComposedPeer, said: () => string[] }> {
  const world = new ComposedPeers()
  const peer = await world.add(createIdentity(seededRandom(7)).id)
  peer.node.isDown = true
  await peer.start()
  return { world, peer, said: () => peer.log.filter(line => /ipfs does not seem|is READY/.test(line)) }
}

test('a peer waits for its IPFS node, says so at every tenth try, and is ready with the first answer', async () => {
  const { world, peer, said } = await peerInWait()
  await world.clock.advance(8_500)
  assert.deepEqual(said(), [])
  await world.clock.advance(11_000)
  assert.deepEqual(said(), [10, 20].map(tries => `warn ipfs does not seem to be available after ${tries} retries: the node is down`))
  peer.node.isDown = false
  await world.clock.advance(1_000)
  assert.deepEqual(said().slice(2), ['info ** IPFS Cluster is READY **'])
  await world.clock.advance(60_000)
  assert.equal(said().length, 3)
  await world.stop()
})

test('a peer that stops while it waits for its IPFS node waits no longer, and is not ready', async () => {
  const { world, said } = await peerInWait()
  await world.clock.advance(2_500)
  await world.stop()
  assert.deepEqual(said(), [])
})

test('a peer that is no longer a member says so once; one that is a member, or stops, does not', async () => {
  const world = await ComposedPeers.start(2)
  const [removed, stopped] = [world.peer(0), world.peer(1)]
  await world.clock.advance(60_000)
  assert.deepEqual([removed.timesRemoved, stopped.timesRemoved], [0, 0])
  for (const { peer } of [removed, stopped]) peer.consensus.peers = async () => []
  await stopped.stop()
  await world.clock.advance(60_000)
  assert.deepEqual([removed.timesRemoved, stopped.timesRemoved], [1, 0])
  assert.equal(removed.log.filter(line => line === 'info peer no longer in peerset. Initiating shutdown').length, 1)
  await world.stop()
})
