import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cid } from '../domain/cid.ts'
import type { IpfsId, PeerId } from '../domain/peer.ts'
import type { CollectedKey, RepositoryCollection } from '../domain/repository.ts'
import { sleep } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { collectEverywhere, collectLocally } from './garbage-collect.ts'

const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku' as Cid
const removed: CollectedKey = { cid, error: '' }
const failed: CollectedKey = { cid: undefined, error: 'in use' }

const knownId: IpfsId = { id: undefined, addresses: null, error: '' }

/** Takes room like sixty keys, so that a test need not make millions. */
const large: CollectedKey = { cid: `b${'a'.repeat(4_000)}` as Cid, error: '' }

/** Collects on a node that removes these blocks and then fails at one. */
function collect (peer: string, keys: readonly CollectedKey[]): Promise<RepositoryCollection> {
  const ipfs = {
    async * garbageCollect () {
      yield * keys
      yield failed
    },
    id: async () => knownId,
  }
  return collectLocally({ ipfs, self: peer as PeerId, peername: `name of ${peer}`, clock: virtualClock() }, {})
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

test('a node that hangs is given up, one that only takes its time is not', async () => {
  const clock = virtualClock()
  let isHung = false
  const ipfs = {
    async * garbageCollect (options?: CallOptions) {
      await sleep(clock, 3_600_000, options?.signal)
      yield removed
    },
    id: (): Promise<IpfsId> => isHung ? new Promise(() => {}) : Promise.resolve(knownId),
  }
  const collecting = (): Promise<RepositoryCollection> => collectLocally({ ipfs, self: 'a' as PeerId, peername: '', clock }, {})
  const slow = collecting()
  await clock.advance(3_600_000)
  assert.deepEqual((await slow).keys, [removed])
  isHung = true
  const refused = assert.rejects(collecting(), { code: 'IPFS_UNREACHABLE' })
  await clock.advance(30_000)
  await refused
})
