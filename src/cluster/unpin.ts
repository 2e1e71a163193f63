import type { Consensus, UnpinOptions } from '../consensus/consensus.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { notPinned } from './pin.ts'
import { ShardLists, shardsOf, unpinPart } from './shard-lists.ts'

/** Takes a pin out of the pinset, a sharded one with all its parts; answers what was removed (spec/components.md 1.5). */
export async function unpin (consensus: Consensus, ipfs: IpfsConnector, cid: Cid, options: UnpinOptions): Promise<Pin> {
  const pin = await consensus.pinset().get(cid)
  if (pin === undefined) throw notPinned()
  switch (pin.type) {
    case 'pin':
      await consensus.logUnpin(pin, options)
      return pin
    case 'shard-pin':
      await unpinShard(consensus, ipfs, cid, options)
      return pin
    case 'clusterdag-pin':
      if (await hasRoot(consensus, pin)) throw new ClusterError('PIN_REFUSED', 'cannot unpin a Cluster DAG directly. Unpin content root CID instead')
      await unpinParts(consensus, ipfs, { reference: cid }, options)
      return pin
    case 'meta-pin':
      await unpinParts(consensus, ipfs, pin, options)
      await consensus.logUnpin(pin, options)
      return pin
    default: throw new ClusterError('PIN_REFUSED', 'unrecognized pin type')
  }
}

/** Takes out a pin that an add has made on its way and that nobody has pinned anew since, of any type. */
export async function unpinMade (consensus: Consensus, made: Pin): Promise<void> {
  const found = await consensus.pinset().get(made.cid)
  if (found?.name !== made.name || found.reference !== made.reference || seconds(found.timestamp) !== seconds(made.timestamp)) return
  await consensus.logUnpin(found)
}

/**
 * Shards first, then the cluster DAG that lists them: what is left after a crash can be found again.
 * A shard that another cluster DAG lists too stays: content that begins alike, such as two versions
 * of a file that grows, has its first shards in common.
 */
async function unpinParts (consensus: Consensus, ipfs: IpfsConnector, { reference }: Pick<Pin, 'reference'>, options: UnpinOptions): Promise<void> {
  if (reference === undefined) return
  const lists = new ShardLists(consensus, ipfs, await ownShards(consensus, ipfs, reference, options), reference, options)
  await lists.look()
  const shared = await lists.unpin(lists.shards)
  await unpinPart(consensus, reference, options)
  // Of two that go at the same time each may have left to the other what both list.
  if (shared.length > 0) await lists.unpin(shared)
}

/**
 * Takes a shard out that no pinned cluster DAG lists. It is left of an add whose peer died, or of two contents
 * with shards in common that two peers unpinned at the same time: each left it to the other. Nobody could
 * remove it by its root.
 */
async function unpinShard (consensus: Consensus, ipfs: IpfsConnector, shard: Cid, options: UnpinOptions): Promise<void> {
  const lists = new ShardLists(consensus, ipfs, [shard], undefined, options)
  await lists.look()
  const listed = await lists.unpin([shard])
  if (listed.length > 0) throw new ClusterError('PIN_REFUSED', 'cannot unpin a shard directly. Unpin content root CID instead')
}

async function hasRoot (consensus: Consensus, { cid, reference }: Pin): Promise<boolean> {
  return reference !== undefined && (await consensus.pinset().get(reference))?.reference === cid
}

/** None when an unpin that did not come to its end has taken the cluster DAG, after its shards, and nodes have thrown its block away since. */
async function ownShards (consensus: Consensus, ipfs: IpfsConnector, clusterDag: Cid, options: CallOptions): Promise<Cid[]> {
  try {
    return await shardsOf(consensus, ipfs, clusterDag, options)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (await consensus.pinset().has(clusterDag)) throw error
    return []
  }
}

/** As the pinset keeps it. */
function seconds (time: Time): number { return Math.floor(time / 1_000) }
