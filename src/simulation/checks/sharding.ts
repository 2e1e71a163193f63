import type { AddOptions } from '../../adder/adder.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Cid } from '../../domain/cid.ts'
import { isPinnedEverywhere, type Pin } from '../../domain/pin.ts'
import type { ShardedUpload } from '../sharded-uploads.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { World } from '../world.ts'
import type { Check } from './check.ts'

/** What a peer is asked for its own pin must be there. */
export async function shardFaults (world: World, peer: SimulatedPeer, cluster: Cluster, file: ShardedUpload, { pin: options }: AddOptions): Promise<string[]> {
  const found: string[] = []
  const least = options.replicationFactorMin || world.settings.replicationFactorMin
  for (const [cid, blocks] of file.parts) {
    const pin = await cluster.pinGet(cid).catch(() => undefined)
    if (pin === undefined) {
      found.push(`${peer.name} has no pin of ${cid}, a part of ${file.root}`)
      continue
    }
    // Somebody may have removed one of the holders since this part was full: the next one has still to fetch it.
    const added = peer.history.of(cid).findLast(change => change.peer === peer.self && change.pin !== undefined && !change.isMove && !change.isUpkeep)?.pin ?? pin
    const holders = world.peers.filter(({ self }) => isPinnedEverywhere(added) || added.allocations?.includes(self) === true)
    const complete = holders.filter(({ node }) => node.hasBlocks(blocks))
    const wanted = isPinnedEverywhere(added) ? 1 : least
    if (complete.length < wanted) found.push(`${complete.length} of ${holders.length} holders have all blocks of ${cid}, a part of ${file.root} that ${peer.name} has added, at least ${wanted} were wanted`)
  }
  return found
}

/** Sharded content is pinned with all that belongs to it, and nothing is left of what is not. */
export const sharding: Check = {
  promise: 'sharded content has all its parts, and no part is left without it',
  atRest: ({ world, pinset }) => partFaults(world, pinset),
}

export function partFaults (world: World, pinset: ReadonlyMap<Cid, Pin>): string[] {
  const found: string[] = []
  /** Parts that belong to content that is pinned, or may be left of an add or unpin that did not come to its end. */
  const belonging = new Set<Cid>()
  for (const file of world.sharded.files) {
    const pin = pinset.get(file.root)
    const mayBeHalf = world.sharded.isHalf(file)
    if (pin === undefined && !mayBeHalf) continue
    for (const part of file.parts.keys()) {
      belonging.add(part)
      if (mayBeHalf) continue
      const type = part === file.clusterDag ? 'clusterdag-pin' : 'shard-pin'
      if (pinset.get(part)?.type !== type) found.push(`${file.root} ("${pin?.name}") lacks its part ${part}, which is ${pinset.get(part)?.type ?? 'not pinned'}`)
    }
    if (!mayBeHalf && (pin?.type !== 'meta-pin' || pin.reference !== file.clusterDag)) found.push(`${file.root} is a ${pin?.type} of ${pin?.reference}`)
    if (!mayBeHalf && pinset.get(file.clusterDag)?.reference !== file.root) found.push(`${file.clusterDag} is not that of ${file.root}`)
  }
  for (const { cid, type, name } of pinset.values()) {
    if ((type === 'shard-pin' || type === 'clusterdag-pin') && !belonging.has(cid)) found.push(`${cid} ("${name}") is left, a ${type} of nothing that is pinned`)
  }
  return found
}
