import type { AddOptions } from '../adder/adder.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import { shardFaults } from './checks/sharding.ts'
import { makeKnown, type ShardedUpload } from './sharded-uploads.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import { entriesOf } from './uploads.ts'
import type { World } from './world.ts'

/**
 * Adds the file over shards as a client of that peer does; what was acknowledged is held against
 * the nodes at once. Resolves when nothing is done for it any more, also what is taken back.
 */
export async function addSharded (world: World, peer: SimulatedPeer, cluster: Cluster, file: ShardedUpload, options: AddOptions, { isBroken, signal }: { readonly isBroken: boolean, readonly signal: AbortSignal }): Promise<void> {
  makeKnown(world.content, file)
  await whileParts(peer, file, async () => {
    const shards: string[] = []
    let root: string | undefined
    for await (const output of cluster.add(entriesOf(file.content, isBroken), options, { signal })) {
      if (/^shard-\d+$/.test(output.name)) shards.push(output.cid ?? '')
      else if (output.name === 'file') root = output.cid
    }
    if (isBroken) world.violate(`an add that fails leaves no pin: ${peer.name} has acknowledged half a file over shards`)
    if (root !== file.root || shards.join() !== file.shards.join()) world.violate(`a sharded add makes the shards of its content: ${peer.name} made ${shards.length} of ${root}, wanted are ${file.shards.length} of ${file.root}`)
    for (const broken of await shardFaults(world, peer, cluster, file, options)) world.violate(`an acknowledged add is stored: ${broken}`)
  })
}

/** Unpins it there, with all that belongs to it. */
export async function unpinSharded (peer: SimulatedPeer, cluster: Cluster, file: ShardedUpload): Promise<void> {
  await whileParts(peer, file, () => cluster.unpin(file.root))
}

/** Unpins a part of it by itself. */
export async function unpinPart (peer: SimulatedPeer, cluster: Cluster, file: ShardedUpload, part: Cid): Promise<void> {
  await whileParts(peer, file, () => cluster.unpin(part))
}

/** Removals of parts are somebody's wish as long as that runs, whether he still waits or not. */
async function whileParts (peer: SimulatedPeer, { root, parts }: ShardedUpload, work: () => Promise<unknown>): Promise<void> {
  const { process } = peer
  if (process === undefined) throw new ClusterError('PEER_UNREACHABLE', 'no process runs there')
  const own = [root, ...parts.keys()]
  process.unpins.push(...own)
  try {
    await work()
  } finally {
    for (const cid of own) process.unpins.splice(process.unpins.indexOf(cid), 1)
  }
}
