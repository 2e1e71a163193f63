import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IpfsId, Multiaddress, PeerId } from '../domain/peer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { IpfsIdentity } from './ipfs-identity.ts'

test('of the IPFS node statuses tell only addresses that others can reach, in one object while they are the same', async () => {
  const id = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
  const [home, site, outside, named] = ['/ip4/127.0.0.1/tcp/4001', '/ip4/192.168.1.7/tcp/4001', '/ip4/192.0.2.1/tcp/4001', '/dns4/node.example/tcp/4001'] as [Multiaddress, Multiaddress, Multiaddress, Multiaddress]
  let addresses: readonly Multiaddress[] = [home, site]
  const answer = async (): Promise<IpfsId> => ({ id, addresses: [...addresses], error: '' })
  const clock = virtualClock()
  const identity = new IpfsIdentity({ id: answer } as Partial<IpfsConnector> as IpfsConnector, clock)
  assert.deepEqual(identity.told(), { ipfsPeerId: undefined, ipfsPeerAddresses: null })
  await clock.advance(1)
  assert.deepEqual(identity.told(), { ipfsPeerId: id, ipfsPeerAddresses: null })
  addresses = [home, outside, site, named]
  await identity.ask({})
  const told = identity.told()
  assert.deepEqual(told, { ipfsPeerId: id, ipfsPeerAddresses: [outside, named] })
  await identity.ask({})
  assert.equal(identity.told(), told)
})

test('a node that does not answer is told of as such, with what it said before where it hangs now', async () => {
  const clock = virtualClock()
  let answer = (): Promise<IpfsId> => Promise.reject(new Error('connection refused'))
  let asked = 0
  const identity = new IpfsIdentity({ id: () => { asked++; return answer() } } as Partial<IpfsConnector> as IpfsConnector, clock)
  const error = async (): Promise<string> => {
    const told = identity.now({})
    await clock.advance(6_000)
    return (await told).error
  }
  assert.equal(await error(), 'connection refused')
  answer = () => new Promise(() => {})
  assert.equal(await error(), 'connection refused')
  const before = asked
  assert.equal(await error(), 'connection refused')
  assert.equal(asked, before, 'all wait for one answer')
  await assert.rejects(identity.now({ signal: AbortSignal.abort(new Error('nobody asks')) }), { message: 'nobody asks' })
  await clock.advance(60_000)
  answer = async () => ({ id: undefined, addresses: null, error: '' })
  assert.equal(await error(), '')
  answer = () => new Promise(() => {})
  assert.equal(await error(), 'the IPFS node has not answered within 5 s')
})
