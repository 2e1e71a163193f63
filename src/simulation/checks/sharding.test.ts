import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cid } from '../../domain/cid.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import { shardedUpload } from '../sharded-uploads.ts'
import { World } from '../world.ts'
import { partFaults } from './sharding.ts'

const world = await World.create({ seed: 1, peers: 2 })
const file = await shardedUpload(1, 1)

function pinsetOf (...pins: ReadonlyArray<readonly [cid: Cid, type: Pin['type'], reference?: Cid]>): Map<Cid, Pin> {
  return new Map(pins.map(([cid, type, reference]) => [cid, { ...pinWithOptions(cid, defaultPinOptions, 0), type, reference }]))
}

test('content over shards has all its parts, or none when it is not pinned, but for what was begun and not ended', () => {
  const { root, clusterDag, shards } = file
  const parts = shards.map(shard => [shard, 'shard-pin'] as const)
  const dag = [clusterDag, 'clusterdag-pin', root] as const
  const meta = [root, 'meta-pin', clusterDag] as const
  world.sharded.begun(file)
  for (const some of [[], parts.slice(1), [...parts, dag]]) assert.deepEqual(partFaults(world, pinsetOf(...some)), [])
  world.sharded.ended(file)
  assert.deepEqual([partFaults(world, pinsetOf()), partFaults(world, pinsetOf(...parts, dag, meta))], [[], []])
  assert.match(partFaults(world, pinsetOf(...parts.slice(1), dag, meta)).join(), /lacks its part \w+, which is not pinned$/)
  assert.match(partFaults(world, pinsetOf(...parts, meta)).join(), /which is not pinned,\w+ is not that of/)
  assert.match(partFaults(world, pinsetOf(...parts.slice(0, 1))).join(), /is left, a shard-pin of nothing that is pinned$/)
  assert.match(partFaults(world, pinsetOf(dag)).join(), /is left, a clusterdag-pin/)
  assert.match(partFaults(world, pinsetOf(...parts, dag, [root, 'pin'])).join(), /is a pin of undefined$/)
})
