import type { Consensus, UnpinOptions } from '../consensus/consensus.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Pin } from '../domain/pin.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** Shards that are taken out before it is looked again who lists them. */
const shardsAtOnce = 1_000

/**
 * Takes shards out of the pinset that no cluster DAG lists. Content can be added over one of them at any
 * moment, here or by another peer, whose add pins its cluster DAG first and its shards once more after it: what an
 * unpin takes of that it knows the cluster DAG of. So it is looked again, after the fact, and what is listed
 * now is pinned again.
 */
export class ShardLists {
  readonly #consensus: Consensus
  readonly #ipfs: IpfsConnector
  readonly #options: UnpinOptions
  /** The cluster DAGs that list each of the shards. */
  readonly #listedBy: Map<Cid, Cid[]>
  /** Cluster DAGs that were read, and that of the shards itself. */
  readonly #seen: Set<Cid | undefined>

  constructor (consensus: Consensus, ipfs: IpfsConnector, shards: readonly Cid[], own: Cid | undefined, options: UnpinOptions) {
    this.#consensus = consensus
    this.#ipfs = ipfs
    this.#options = options
    this.#listedBy = new Map(shards.map(shard => [shard, []]))
    this.#seen = new Set([own])
  }

  get shards (): IterableIterator<Cid> { return this.#listedBy.keys() }

  /** Reads the cluster DAGs that have come. @throws ClusterError of the IPFS node when one cannot be read */
  async look (): Promise<void> {
    for await (const clusterDags of this.#consensus.pinset().clusterDags(this.#options)) {
      for (const cid of clusterDags) {
        if (this.#seen.has(cid)) continue
        for (const shard of await shardsOf(this.#consensus, this.#ipfs, cid, this.#options, this.#listedBy)) this.#listedBy.get(shard)?.push(cid)
        this.#seen.add(cid)
      }
    }
  }

  async isListed (shard: Cid): Promise<boolean> {
    const isPinned = await Promise.all((this.#listedBy.get(shard) ?? []).map(cid => this.#consensus.pinset().has(cid)))
    return isPinned.includes(true)
  }

  /**
   * Takes out those of the shards that are not listed; answers the others. To be called after {@link look}.
   * @throws ClusterError of the IPFS node when a new cluster DAG cannot be read: then the last ones are pinned again
   */
  async unpin (shards: Iterable<Cid>): Promise<Cid[]> {
    const listed: Cid[] = []
    const gone: Pin[] = []
    try {
      for (const shard of shards) {
        if (await this.isListed(shard)) {
          listed.push(shard)
          continue
        }
        const pin = await unpinPart(this.#consensus, shard, this.#options)
        if (pin !== undefined) gone.push(pin)
        if (gone.length >= shardsAtOnce) listed.push(...await this.#pinListed(gone.splice(0)))
      }
    } finally {
      listed.push(...await this.#pinListed(gone))
    }
    return listed
  }

  async #pinListed (gone: readonly Pin[]): Promise<Cid[]> {
    const listed: Pin[] = []
    try {
      await this.look()
      for (const pin of gone) if (await this.isListed(pin.cid)) listed.push(pin)
    } catch (error) {
      for (const pin of gone) await this.#consensus.logPin(pin)
      throw error
    }
    for (const pin of listed) await this.#consensus.logPin(pin)
    return listed.map(({ cid }) => cid)
  }
}

/** The pin that was taken out. */
export async function unpinPart (consensus: Consensus, part: Cid, options: UnpinOptions): Promise<Pin | undefined> {
  const found = await consensus.pinset().get(part)
  // What a cluster DAG lists may have been pinned for itself.
  if (found?.type !== 'shard-pin' && found?.type !== 'clusterdag-pin') return undefined
  await consensus.logUnpin(found, options)
  return found
}

/**
 * The shards of a cluster DAG. One of more than a node lists has nodes between (`shard-node.ts`), which
 * are told from shards by having no pins; their shards are those that are pinned, or `known` to be shards.
 * @throws ClusterError of the IPFS node when the list cannot be read
 */
export async function shardsOf (consensus: Pick<Consensus, 'pinset'>, ipfs: Pick<IpfsConnector, 'getBlock'>, clusterDag: Cid, options: CallOptions, known: ReadonlyMap<Cid, unknown> = new Map()): Promise<Cid[]> {
  const pinset = consensus.pinset()
  const listed = await linksOf(ipfs, clusterDag, options)
  for (const cid of listed) if (known.has(cid) || await pinset.has(cid)) return listed
  const shards: Cid[] = []
  for (const node of listed) {
    try {
      const links = await linksOf(ipfs, node, options)
      const pins = await pinset.getMany(links)
      shards.push(...links.filter((cid, i) => known.has(cid) || pins[i]?.type === 'shard-pin'))
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
