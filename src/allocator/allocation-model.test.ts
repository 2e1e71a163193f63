import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Metric } from '../domain/metric.ts'
import type { PeerId } from '../domain/peer.ts'
import { seededRandom } from '../simulation/seeded-random.ts'
import { balancedAllocator } from './balanced.ts'
import { chooseAllocations, type AllocationRequest } from './choose.ts'

const random = seededRandom(1)
const ids = Array.from({ length: 9 }, (_, n) => `peer ${n}` as PeerId)
const somePeers = fc.uniqueArray(fc.constantFrom(...ids))

interface Host { readonly peer: PeerId, readonly region: string | undefined, readonly rack: string | undefined, readonly space: number | undefined }

/** Peers of which some lack a metric. */
const hosts: fc.Arbitrary<Host[]> = fc.uniqueArray(fc.record<Host>({
  peer: fc.constantFrom(...ids),
  region: fc.option(fc.constantFrom('eu', 'us', 'asia'), { nil: undefined, freq: 8 }),
  rack: fc.option(fc.constantFrom('1', '2'), { nil: undefined, freq: 8 }),
  space: fc.option(fc.nat(1_000), { nil: undefined, freq: 8 }),
}), { selector: ({ peer }) => peer })

const metric = (name: string, peer: PeerId, value: string, weight: number, partitionable: boolean): Metric => ({ name, peer, value, expire: 1, valid: true, weight, partitionable, receivedAt: 0 })

const byName: Readonly<Record<string, (host: Host) => Metric[]>> = {
  'tag:region': ({ peer, region }) => region === undefined ? [] : [metric('tag:region', peer, region, 0, true)],
  'tag:rack': ({ peer, rack }) => rack === undefined ? [] : [metric('tag:rack', peer, rack, 0, true)],
  'freespace': ({ peer, space }) => space === undefined ? [] : [metric('freespace', peer, String(space), space, false)],
}
const allocateBy = fc.uniqueArray(fc.constantFrom(...Object.keys(byName)), { minLength: 1 })
const requests = fc.record({
  hosts,
  allocateBy,
  current: somePeers,
  priority: somePeers,
  excluded: somePeers,
  ineligible: somePeers,
  min: fc.integer({ min: 1, max: 4 }),
  more: fc.nat(3),
})

test('holders are within the bounds, can hold it, and no more of them change than must', () => {
  fc.assert(fc.property(requests, ({ hosts, allocateBy, current, priority, excluded, ineligible, min, more }) => {
    const max = min + more
    const request: AllocationRequest = {
      replicationFactorMin: min,
      replicationFactorMax: max,
      current,
      priority,
      excluded: new Set(excluded),
      isEligible: peer => !ineligible.includes(peer),
      metrics: new Map(allocateBy.map(name => [name, hosts.flatMap(byName[name] as (host: Host) => Metric[])])),
    }
    const usable = hosts.filter(host => allocateBy.every(name => byName[name]?.(host).length === 1) && !excluded.includes(host.peer) && !ineligible.includes(host.peer)).map(({ peer }) => peer)
    const valid = current.filter(peer => usable.includes(peer))
    const rest = usable.filter(peer => !valid.includes(peer))
    const choose = (): PeerId[] => chooseAllocations(balancedAllocator(allocateBy, random), request)
    if (valid.length < min && usable.length < min) {
      assert.throws(choose, { code: 'NOT_ENOUGH_PEERS', message: `not enough peers to allocate CID. Needed at least: ${min - valid.length}. Wanted at most: ${max - valid.length}. Available candidates: ${rest.length}. See logs for more info.` })
      return
    }
    const chosen = choose()
    if (valid.length >= min && valid.length <= max) {
      const gone = current.filter(peer => !valid.includes(peer))
      assert.deepEqual(chosen, current.length <= max ? current : [...valid, ...gone].slice(0, max), 'enough: nothing changes but what would be too many when all are back')
      return
    }
    assert.equal(new Set(chosen).size, chosen.length)
    assert.ok(chosen.every(peer => usable.includes(peer)))
    if (valid.length > max) {
      assert.equal(chosen.length, max)
      assert.ok(chosen.every(peer => valid.includes(peer)), 'too many: some go, none comes')
      return
    }
    assert.deepEqual(chosen.slice(0, valid.length), valid, 'who holds it stays')
    const added = chosen.slice(valid.length)
    assert.equal(added.length, Math.min(max - valid.length, rest.length), 'as many as may be')
    const wished = rest.filter(peer => priority.includes(peer))
    assert.equal(added.slice(0, wished.length).filter(peer => wished.includes(peer)).length, Math.min(wished.length, added.length), 'wishes come first')
  }), { numRuns: 2_000 })
})

test('parts take turns at every level: counts of regions, and of racks in a region, differ by one until one is used up', () => {
  fc.assert(fc.property(hosts, hosts => {
    const complete = hosts.filter(({ region, rack, space }) => region !== undefined && rack !== undefined && space !== undefined)
    const names = ['tag:region', 'tag:rack', 'freespace']
    const candidates = new Map(names.map(name => [name, complete.flatMap(byName[name] as (host: Host) => Metric[])]))
    const order = balancedAllocator(names, random).allocate({ candidates, priority: new Map() })
    assert.deepEqual(order.toSorted(), complete.map(({ peer }) => peer).toSorted(), 'everybody once')
    const hostOf = new Map(complete.map(host => [host.peer, host]))
    for (let taken = 1; taken <= order.length; taken++) {
      const chosen = order.slice(0, taken).map(peer => hostOf.get(peer) as Host)
      assertEven(chosen, complete, ({ region }) => region as string)
      for (const region of new Set(complete.map(host => host.region))) assertEven(chosen.filter(host => host.region === region), complete.filter(host => host.region === region), ({ rack }) => rack as string)
    }
    const first = order[0] === undefined ? undefined : hostOf.get(order[0])
    const spaceOf = (region: string | undefined): number => complete.filter(host => host.region === region).reduce((sum, { space = 0 }) => sum + space, 0)
    if (first !== undefined) assert.equal(spaceOf(first.region), Math.max(...complete.map(({ region }) => spaceOf(region))), 'the region with most space comes first')
  }), { numRuns: 1_000 })
})

/** A group has fewer chosen than another only by one, or because all of it is chosen. */
function assertEven (chosen: readonly Host[], all: readonly Host[], groupOf: (host: Host) => string): void {
  const counts = [...new Set(all.map(groupOf))].map(group => ({
    chosen: chosen.filter(host => groupOf(host) === group).length,
    isUsedUp: chosen.filter(host => groupOf(host) === group).length === all.filter(host => groupOf(host) === group).length,
  }))
  const most = Math.max(0, ...counts.map(({ chosen }) => chosen))
  for (const { chosen, isUsedUp } of counts) assert.ok(isUsedUp || chosen >= most - 1)
}

test('with space alone, most space comes first', () => {
  fc.assert(fc.property(hosts, hosts => {
    const candidates = new Map([['freespace', hosts.flatMap(byName.freespace as (host: Host) => Metric[])]])
    const order = balancedAllocator(['freespace'], random).allocate({ candidates, priority: new Map() })
    const spaces = order.map(peer => hosts.find(host => host.peer === peer)?.space ?? -1)
    assert.deepEqual(spaces, spaces.toSorted((a, b) => b - a))
  }))
})
