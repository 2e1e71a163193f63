import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import type { Cid } from '../domain/cid.ts'
import { defaultPinOptions, pinWithOptions, type PinType } from '../domain/pin.ts'
import { TrackerStatus, type PinInfo } from '../domain/status.ts'
import { MemoryPinset } from '../tracker/memory-pinset.fixture.ts'
import { cidOf } from '../tracker/tracker.fixture.ts'
import { recoverLocally, type RecoverParts } from './recover.ts'

const [root, clusterDag, shard, other, unknown, failedUnpin] = ['root', 'cluster DAG', 'shard', 'other', 'unknown', 'failed unpin'].map(cidOf) as [Cid, Cid, Cid, Cid, Cid, Cid]

function peer (): RecoverParts & { readonly recovered: Cid[] } {
  const pinset = new MemoryPinset()
  const put = (cid: Cid, type: PinType, reference?: Cid): void => { pinset.put({ ...pinWithOptions(cid, defaultPinOptions, 0), type, reference }) }
  put(root, 'meta-pin', clusterDag)
  put(clusterDag, 'clusterdag-pin', root)
  put(shard, 'shard-pin')
  put(other, 'pin')
  const recovered: Cid[] = []
  return {
    recovered,
    consensus: { pinset: () => pinset },
    ipfs: { getBlock: async cid => { assert.equal(cid, clusterDag); return encode({ 0: CID.parse(shard) }) } },
    tracker: {
      async recover (cid) {
        recovered.push(cid)
        const status = cid === unknown ? TrackerStatus.unpinned : cid === root ? TrackerStatus.sharded : TrackerStatus.pinQueued
        return { cid, status } as PinInfo
      },
    },
  }
}

test('on one peer sharded content is recovered with its parts, other content alone', async () => {
  const parts = peer()
  assert.equal((await recoverLocally(parts, root, {})).status, TrackerStatus.sharded)
  assert.deepEqual(parts.recovered, [shard, clusterDag, root])
  await recoverLocally(parts, other, {})
  assert.deepEqual(parts.recovered.slice(3), [other])
})

test('so is content of so many shards that its cluster DAG has nodes between', async () => {
  const parts = peer()
  const node = cidOf('node')
  parts.ipfs.getBlock = async cid => encode({ 0: CID.parse(cid === clusterDag ? node : shard) })
  await recoverLocally(parts, root, {})
  assert.deepEqual(parts.recovered, [shard, clusterDag, root])
})

test('what has no pin cannot be recovered on one peer, but for an unpin that failed', async () => {
  await assert.rejects(recoverLocally(peer(), unknown, {}), { code: 'NOT_FOUND', message: 'pin is not part of the pinset' })
  assert.equal((await recoverLocally(peer(), failedUnpin, {})).cid, failedUnpin)
})
