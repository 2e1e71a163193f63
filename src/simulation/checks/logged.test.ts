import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pinOf } from '../../consensus/crdt/crdt-peers.fixture.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Pin } from '../../domain/pin.ts'
import { World } from '../world.ts'
import type { Change } from '../history.ts'
import { loggedFaults } from './logged.ts'

const world = await World.create({ seed: 1, peers: 4 })
const [a, b, c, d] = world.peers.map(({ self }) => self) as [PeerId, PeerId, PeerId, PeerId]
const held = (...allocations: PeerId[]): Pin => pinOf(1, { allocations, replicationFactorMin: 2, replicationFactorMax: 3 })

function faults (pin: Pin | undefined, before?: Pin, kind: Partial<Pick<Change, 'isMove' | 'isUpkeep'>> = {}): string[] {
  const { cid } = held()
  return loggedFaults(world, { number: 1, peer: a, cid, pin, value: undefined, seen: new Set(), isAcknowledged: false, acknowledgedAt: Infinity, isOpen: true, isUpkeep: false, isMove: false, ...kind }, before)
}

test('a pin is given to members, to as many as are wanted', () => {
  assert.deepEqual([faults(held(a, b)), faults(held(a, b, c))], [[], []])
  const everywhere = { replicationFactorMin: -1, replicationFactorMax: -1 }
  assert.deepEqual(faults({ ...held(), ...everywhere }), [])
  for (const pin of [held(a), held(a, b, c, d), held(a, a), held(a, 'somebody' as PeerId), { ...held(a), ...everywhere }]) assert.equal(faults(pin).length, 1)
})

test('a move is of a pin that lacks holders, keeps those that are there, and changes nothing else', () => {
  const kind = { isMove: true, isUpkeep: true }
  assert.deepEqual(faults(held(b, c), held(b, d), kind), [])
  assert.match(faults({ ...held(b, c), name: 'another' }, held(b, d), kind).join(), /another pin of it$/)
  const now = world.clock.monotonic()
  world.heard.set(a, new Map([[b, { at: now - 1_000, previousAt: -Infinity, since: now - 60_000 }]]))
  assert.match(faults(held(c, d), held(b, d), kind).join(), /which it heard 1\.0 s ago$/)
  assert.match(faults({ ...held(a, d), replicationFactorMin: 1 }, { ...held(a, c), replicationFactorMin: 1 }, kind).join(), /of which 1 holders are there$/)
})

test('what nobody has unpinned goes when its time has run out', () => {
  const expires = (inMs: number): Pin => ({ ...held(a, b), expireAt: world.clock.now() + inMs })
  assert.deepEqual([faults(undefined, expires(-1), { isUpkeep: true }), faults(undefined, held(a, b)), faults(undefined)], [[], [], []])
  for (const before of [expires(1), held(a, b)]) assert.match(faults(undefined, before, { isUpkeep: true }).join(), /its time has not run out$/)
})
