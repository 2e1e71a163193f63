import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity } from '../config/identity.ts'
import { cidOf } from '../consensus/crdt/crdt-peers.fixture.ts'
import { defaultPinOptions } from '../domain/pin.ts'
import { seededRandom } from '../tracker/tracker.fixture.ts'
import { ComposedPeers } from './composed-peers.fixture.ts'

test('a peer that pings each five minutes and tells nothing to newcomers, as one of the Go program, is a member and holds pins from the start of another on', async () => {
  const world = new ComposedPeers()
  const random = seededRandom(7)
  const rare = await world.add(createIdentity(random).id, { monitorPingIntervalMs: 300_000 })
  await rare.start({ ...world.networks.join(rare.id), onPeer: () => () => {} })
  await world.clock.advance(630_000)
  const often = await world.add(createIdentity(random).id, { monitorPingIntervalMs: 1_000 })
  await often.start()
  await world.clock.advance(20_000)
  for (let n = 0; n < 100; n++) {
    await world.clock.advance(10_000)
    assert.deepEqual(await often.peer.consensus.peers(), [rare.id, often.id].toSorted(), `after ${n * 10} s`)
    await world.during(often.cluster.pin(cidOf(n), { ...defaultPinOptions, replicationFactorMin: 2, replicationFactorMax: 2 }))
  }
  assert.deepEqual(often.cluster.alerts(), [])
  await world.stop()
})
