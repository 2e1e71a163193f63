import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Multiaddress } from '../../domain/peer.ts'
import { virtualClock } from '../virtual-clock.ts'
import { KnownPeers } from './known-peers.ts'
import { testIdentity } from './network.fixture.ts'
import { PeerDialler } from './peer-dialler.ts'

test('of many direct addresses those that were told last are dialled, of whichever kind they are', async () => {
  const [{ id: self }, { id: peer }] = [await testIdentity(), await testIdentity()]
  const known = new KnownPeers(self)
  const former = Array.from({ length: 30 }, (_, day) => `/ip4/11.0.0.${day + 1}/tcp/9096/p2p/${peer}` as Multiaddress)
  const local = `/ip4/10.0.0.1/tcp/9096/p2p/${peer}` as Multiaddress
  for (const address of [...former, local]) known.add(address, true)
  const connection = {}
  const dialled: string[][] = []
  const host = { dial: async (addresses: Multiaddr[]) => { dialled.push(addresses.map(String)); return connection } }
  const dialler = new PeerDialler({ host: host as never, known, dht: { findPeer: async () => assert.fail('nobody need be asked') }, clock: virtualClock(), timeoutMs: 1_000 })
  assert.equal(await dialler.dial(peer, undefined), connection)
  assert.deepEqual(dialled, [[local, ...former.slice(-15).toReversed()]])
  dialler.stop()
})
