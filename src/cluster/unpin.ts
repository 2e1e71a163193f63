import type { Consensus, UnpinOptions } from '../consensus/consensus.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { notPinned } from './pin.ts'

/** Takes a pin out of the pinset, a sharded one with all its parts; answers what was removed (spec/components.md 1.5). */
export async function unpin (consensus: Consensus, ipfs: IpfsConnector, cid: Cid, options: UnpinOptions): Promise<Pin> {
  const pin = await consensus.pinset().get(cid)
  if (pin === undefined) throw notPinned()
  switch (pin.type) {
    case 'pin':
      await consensus.logUnpin(pin, options)
      return pin
    case 'shard-pin':
      if (await isListed(consensus, ipfs, cid, options)) throw new ClusterError('PIN_REFUSED', 'cannot unpin a shard directly. Unpin content root CID instead')
      await consensus.logUnpin(pin, options)
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
  const pinset = consensus.pinset()
  const otherDags = new Map<Cid, Cid[]>((await ownShards(consensus, ipfs, reference, options)).map(shard => [shard, []]))
  for await (const clusterDags of pinset.clusterDags(options)) {
    for (const cid of clusterDags) if (cid !== reference) for (const shard of await shardsOf(consensus, ipfs, cid, options)) otherDags.get(shard)?.push(cid)
  }
  /** Takes the shards out but for those that a pinned cluster DAG lists, which it answers. */
  const unpinUnlisted = async (shards: Iterable<Cid>): Promise<Cid[]> => {
    const listed: Cid[] = []
    for (const shard of shards) {
      const isPinned = await Promise.all((otherDags.get(shard) ?? []).map(cid => pinset.has(cid)))
      if (isPinned.includes(true)) listed.push(shard)
      else await unpinPart(consensus, shard, options)
    }
    return listed
  }
  const shared = await unpinUnlisted(otherDags.keys())
  await unpinPart(consensus, reference, options)
  // Of two that go at the same time each may have left to the other what both list.
  await unpinUnlisted(shared)
}

/**
 * Whether a pinned cluster DAG lists the shard. One that none lists is left of an add whose peer died,
 * or of two contents with shards in common that two peers unpinned at the same time: each left it to
 * the other. Nobody could remove it by its root.
 */
async function isListed (consensus: Consensus, ipfs: IpfsConnector, shard: Cid, options: CallOptions): Promise<boolean> {
  for await (const clusterDags of consensus.pinset().clusterDags(options)) {
    for (const cid of clusterDags) if ((await shardsOf(consensus, ipfs, cid, options)).includes(shard)) return true
  }
  return false
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

async function unpinPart (consensus: Consensus, part: Cid, options: UnpinOptions): Promise<void> {
  const found = await consensus.pinset().get(part)
  // What a cluster DAG lists may have been pinned for itself.
  if (found?.type === 'shard-pin' || found?.type === 'clusterdag-pin') await consensus.logUnpin(found, options)
}

/**
 * The shards of a cluster DAG. One of more than a node lists has nodes between (`shard-node.ts`), which
 * are told from shards by having no pins; their shards are those that are pinned.
 * @throws ClusterError of the IPFS node when the list cannot be read
 */
export async function shardsOf (consensus: Pick<Consensus, 'pinset'>, ipfs: Pick<IpfsConnector, 'getBlock'>, clusterDag: Cid, options: CallOptions): Promise<Cid[]> {
  const pinset = consensus.pinset()
  const listed = await linksOf(ipfs, clusterDag, options)
  for (const cid of listed) if (await pinset.has(cid)) return listed
  const shards: Cid[] = []
  for (const node of listed) {
    try {
      const links = await linksOf(ipfs, node, options)
      const pins = await pinset.getMany(links)
      shards.push(...links.filter((_, i) => pins[i]?.type === 'shard-pin'))
    } catch (error) {
      options.signal?.throwIfAborted()
      // Shards whose pins went before that of the cluster DAG, as they do: no node needs to have them any more.
      if (shards.length === 0) return listed
      throw error
    }
  }
  return shards.length > 0 ? shards : listed
}

async function linksOf (ipfs: Pick<IpfsConnector, 'getBlock'>, node: Cid, options: CallOptions): Promise<Cid[]> {
  // Sharded pins are rare: a start need not wait for what reads them.
  const [{ decode: decodeCbor }, { CID }] = await Promise.all([import('@ipld/dag-cbor'), import('multiformats/cid')])
  const block = await ipfs.getBlock(node, options).catch((error: unknown) => {
    // Who unpins other content has not heard of this CID.
    throw error instanceof ClusterError ? new ClusterError(error.code, `error reading clusterDAG block from ipfs: ${error.message}`, { cause: error }) : error
  })
  const links = Object.values(decodeCbor<Record<string, unknown>>(block))
  return links.filter(link => CID.asCID(link) !== null).map(link => cidFromBytes((link as { readonly bytes: Uint8Array }).bytes))
}

/** As the pinset keeps it. */
function seconds (time: Time): number { return Math.floor(time / 1_000) }
