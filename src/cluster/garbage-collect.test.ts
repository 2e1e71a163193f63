import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { CollectedKey, RepositoryCollection } from '../domain/repository.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { collectEverywhere, collectLocally } from './garbage-collect.ts'

const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku' as Cid
const removed: CollectedKey = { cid, error: '' }
const failed: CollectedKey = { cid: undefined, error: 'in use' }

/** Takes room like sixty keys, so that a test need not make millions. */
const large: CollectedKey = { cid: `b${'a'.repeat(4_000)}` as Cid, error: '' }

/** Collects on a node that removes these blocks and then fails at one. */
function collect (peer: string, keys: readonly CollectedKey[]): Promise<RepositoryCollection> {
  const ipfs = {
    async * garbageCollect () {
      yield * keys
      yield failed
    },
  } as unknown as IpfsConnector
  return collectLocally(ipfs, peer as PeerId, `name of ${peer}`, {})
}

/** How many keys a peer's list tells of. */
function told ({ keys }: RepositoryCollection): number {
  return keys.reduce((sum, { error }) => sum + Number(/^too many to be listed: (\d+) more/.exec(error)?.[1] ?? 1), 0)
}

test('what a node removes is listed', async () => {
  assert.deepEqual(await collect('a', [removed, removed]), { peer: 'a', peername: 'name of a', keys: [removed, removed, failed], error: '' })
})

test('of very many blocks some are listed and the others counted, errors among them', async () => {
  const collection = await collect('a', Array.from({ length: 20_000 }, () => large))
  assert.ok(collection.keys.length > 6_000 && collection.keys.length < 10_000, `${collection.keys.length} are listed`)
  assert.equal(told(collection), 20_001)
  assert.ok(collection.keys.at(-1)?.error.endsWith(' more, 1 of them errors'))
})

test('the lists of all peers together stay small enough for one answer', async () => {
  const count = 20_000
  const lists = new Map(await Promise.all(['a', 'b', 'c', 'd'].map(async peer => [peer, await collect(peer, Array.from({ length: count }, () => large))] as const)))
  const calls = { collectGarbage: async (peer: PeerId) => lists.get(peer) } as unknown as PeerCalls
  const { peerMap } = await collectEverywhere([...lists.keys()] as PeerId[], {
    self: 'a' as PeerId, calls, lastKnown: () => ({ peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null }), local: async () => lists.get('a') as RepositoryCollection,
  }, {})
  const all = Object.values(peerMap)
  assert.ok(all.reduce((sum, { keys }) => sum + keys.length, 0) < 20_000)
  assert.deepEqual(all.map(told), [1, 1, 1, 1].map(() => count + 1), 'all that is not listed is counted')
})
