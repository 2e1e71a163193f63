import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { seededRandom } from '../simulation/seeded-random.ts'
import { balancedAllocator } from './balanced.ts'
import { chooseAllocations, type AllocationRequest } from './choose.ts'

const metric = (name: string, peer: string, value: string, weight: number, partitionable: boolean): Metric => ({ name, peer: peer as PeerId, value, expire: 1, valid: true, weight, partitionable, receivedAt: 0 })

/** Peers with their region and free space. */
const peers: ReadonlyArray<readonly [string, string, number]> = [['a', 'eu', 10], ['b', 'eu', 40], ['c', 'us', 30], ['d', 'us', 5], ['e', 'asia', 20]]
const metrics = new Map([
  ['tag:region', peers.map(([peer, region]) => metric('tag:region', peer, region, 0, true))],
  ['freespace', peers.map(([peer, , space]) => metric('freespace', peer, String(space), space, false))],
])
const allocator = balancedAllocator(['tag:region', 'freespace'], seededRandom(1))
const request = (changes: Partial<AllocationRequest>): AllocationRequest => ({ replicationFactorMin: 1, replicationFactorMax: 3, current: [], priority: [], excluded: new Set(), isEligible: () => true, metrics, ...changes })
const chosen = (changes: Partial<AllocationRequest>): string[] => chooseAllocations(allocator, request(changes))
const ids = (...names: string[]): PeerId[] => names as PeerId[]

test('regions take turns, the one with most space first, and in each the peer with most space', () => {
  assert.deepEqual(chosen({ replicationFactorMax: 5 }), ['b', 'c', 'e', 'a', 'd'])
})

test('regions of equal space come by their names, however many peers they have', () => {
  const space: ReadonlyArray<readonly [string, string, number]> = [['a', 'us', 30], ['b', 'eu', 10], ['c', 'eu', 20], ['d', 'asia', 30], ['e', 'eu', 0], ['f', 'zone', 31]]
  const metrics = new Map([
    ['tag:region', space.map(([peer, region]) => metric('tag:region', peer, region, 0, true))],
    ['freespace', space.map(([peer, , space]) => metric('freespace', peer, String(space), space, false))],
  ])
  assert.deepEqual(chosen({ replicationFactorMax: 4, metrics }), ['f', 'd', 'c', 'a'])
})

test('-1 means everywhere, also where some have held it until now', () => {
  assert.deepEqual(chosen({ replicationFactorMin: -1, replicationFactorMax: -1 }), [])
  assert.deepEqual(chosen({ replicationFactorMin: -1, replicationFactorMax: -1, current: ids('a', 'b', 'c') }), [])
})

test('the user\'s peers come first', () => assert.deepEqual(chosen({ priority: ids('d') }), ['d', 'b', 'c']))

test('holders that are enough stay, dead ones included', () => {
  assert.deepEqual(chosen({ current: ids('a', 'gone') }), ['a', 'gone'])
})

test('missing holders are filled up behind the living ones', () => {
  assert.deepEqual(chosen({ replicationFactorMin: 2, current: ids('a', 'gone') }), ['a', 'b', 'c'])
})

test('too many holders are cut to the maximum', () => {
  assert.deepEqual(chosen({ replicationFactorMax: 1, current: ids('a', 'b') }), ['a'])
})

test('excluded and ineligible peers, and those without a metric, are never chosen', () => {
  const onlyD = chosen({ excluded: new Set(ids('b')), isEligible: peer => !ids('c', 'e').includes(peer), metrics: new Map([...metrics, ['freespace', metrics.get('freespace')?.filter(({ peer }) => peer !== 'a') ?? []]]) })
  assert.deepEqual(onlyD, ['d'])
})

test('too few peers are an error that counts them', () => {
  assert.throws(() => chosen({ replicationFactorMin: 6, replicationFactorMax: 7 }), { code: 'NOT_ENOUGH_PEERS', message: 'not enough peers to allocate CID. Needed at least: 6. Wanted at most: 7. Available candidates: 5. See logs for more info.' })
})

for (const [by, metrics] of [
  ['regions alone', new Map([['tag:region', Array.from({ length: 24 }, (_, n) => metric('tag:region', `peer ${n}`, `region ${n % 3}`, 0, true))]])],
  ['queues of one bucket', new Map([['pinqueue', Array.from({ length: 24 }, (_, n) => metric('pinqueue', `peer ${n}`, '0', 0, false))]])],
] as const) {
  test(`peers between which there is no difference hold equally much: ${by}`, () => {
    const tied = balancedAllocator([...metrics.keys()], seededRandom(1))
    const held = new Map<string, number>()
    for (let n = 0; n < 2_400; n++) for (const peer of chooseAllocations(tied, request({ replicationFactorMin: 3, metrics }))) held.set(peer, (held.get(peer) ?? 0) + 1)
    assert.equal(held.size, 24)
    for (const [peer, count] of held) assert.ok(count > 225 && count < 375, `${peer} holds ${count}, not about 300`)
  })
}
