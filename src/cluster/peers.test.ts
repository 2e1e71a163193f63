import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Consensus } from '../consensus/consensus.ts'
import { ClusterError } from '../domain/errors.ts'
import type { IpfsId, Multiaddress, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Network } from '../platform/network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { IpfsIdentity } from './ipfs-identity.ts'
import { Membership } from './peers.ts'

const [self, friend, dead, strict] = ['self', 'friend', 'dead', 'strict'] as const as readonly [PeerId, PeerId, PeerId, PeerId]
const ofFriend: PeerInformation = { id: 'somebody else' as PeerId, addresses: null, clusterPeers: [friend, self], clusterPeersAddresses: null, version: '1.1.6', commit: '', rpcProtocolVersion: '', error: '', ipfs: { id: undefined, addresses: null, error: '' }, peername: 'a friend' }

/** This peer among others: one answers, one never does, one does not trust it. */
function scene (members: readonly PeerId[] = [self, friend, dead, strict], ipfs: IpfsId = { id: 'node' as PeerId, addresses: null, error: '' }) {
  const clock = virtualClock()
  const done: string[] = []
  const membership = new Membership({
    self, clock,
    peername: 'this one',
    network: {
      addresses: () => ['/ip4/192.0.2.1/tcp/9096'],
      knownAddresses: (peer: PeerId) => Array.from({ length: 20 }, (_, n) => `${peer} ${n}` as Multiaddress),
      peers: () => [friend, 'stranger' as PeerId, self],
    } as unknown as Network,
    consensus: {
      peers: async () => [...members],
      addPeer: async (peer: PeerId) => { done.push(`add ${peer}`) },
      removePeer: async (peer: PeerId) => { done.push(`remove ${peer}`) },
    } as unknown as Consensus,
    calls: {
      id: async (peer: PeerId) => {
        if (peer === dead) await new Promise(() => {})
        if (peer === strict) throw new ClusterError('NOT_AUTHORIZED', 'not for you')
        return ofFriend
      },
    } as unknown as PeerCalls,
    ipfsIdentity: { now: async () => ipfs } as unknown as IpfsIdentity,
    answered: ({ id }) => { done.push(`answered ${id}`) },
    vacate: async peer => { done.push(`vacate ${peer}`) },
  })
  return { clock, done, membership }
}

test('all members are asked at once: each is told as who it is, one that does not answer with its error, one that refuses not at all', async () => {
  const { clock, membership } = scene()
  const listing = Array.fromAsync(membership.all({}))
  await clock.advance(15_000)
  const [own, other, silent, ...rest] = await listing
  assert.deepEqual([own?.id, own?.peername, own?.addresses, own?.ipfs.id], [self, 'this one', ['/ip4/192.0.2.1/tcp/9096'], 'node'])
  assert.deepEqual(own?.clusterPeersAddresses, [friend, dead, strict].flatMap(peer => Array.from({ length: 8 }, (_, n) => `${peer} ${n + 12}`)), 'the latest of each other one')
  assert.deepEqual(other, { ...ofFriend, id: friend })
  assert.deepEqual([silent?.id, silent?.error === '', rest], [dead, false, []])
})

test('whoever goes away is not told of peers in error', async () => {
  const { membership } = scene([self])
  await assert.rejects(Array.fromAsync(membership.all({ signal: AbortSignal.abort(new Error('gone away')) })), { message: 'gone away' })
})

test('the links are those to members; a node that does not answer is none', async () => {
  assert.deepEqual(await scene().membership.links({}), { peername: 'this one', ipfsPeerId: 'node', connected: [friend] })
  assert.deepEqual(await scene(undefined, { id: 'node' as PeerId, addresses: null, error: 'down' }).membership.links({}), { peername: 'this one', ipfsPeerId: undefined, connected: [friend] })
})

test('a peer that is taken in answers first, then counts as alive and knows this one', async () => {
  const { done, membership } = scene()
  const added = await membership.add(friend, {})
  assert.deepEqual([added.id, added.clusterPeers], [friend, [friend, self].toSorted()])
  assert.deepEqual(done.splice(0), [`add ${friend}`, `answered ${friend}`])
  assert.equal((await membership.add(self, {})).peername, 'this one')
  await assert.rejects(membership.add(strict, {}), { code: 'NOT_AUTHORIZED' })
  assert.deepEqual(done, [])
})

test('what a peer holds goes to others before it is removed', async () => {
  const { done, membership } = scene()
  await membership.remove(friend, {})
  assert.deepEqual(done, [`vacate ${friend}`, `remove ${friend}`])
})
