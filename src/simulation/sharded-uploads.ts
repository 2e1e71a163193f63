import type { CID } from 'multiformats/cid'
import type { AddOptions } from '../adder/adder.ts'
import { importUnixFs } from '../adder/import-unixfs.ts'
import { linkNodes } from '../adder/shard-node.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import type { Block } from '../ipfs/connector.ts'
import { seededRandom } from './seeded-random.ts'
import type { Content } from './simulated-ipfs.ts'
import { addOptions, entriesOf, type Upload } from './uploads.ts'

/** A file that is added over shards, and what stands in the pinset for it. */
export interface ShardedUpload extends Upload {
  readonly shards: readonly Cid[]
  readonly clusterDag: Cid
  /** The blocks of each shard and of the cluster DAG, as texts. */
  readonly parts: ReadonlyMap<Cid, ReadonlySet<string>>
}

const chunkBytes = 1_024
/** Three chunks fit. */
const shardSize = 4 * chunkBytes
/** Files of a group, each longer by some chunks than the one before. */
export const versions = 3

export const shardedOptions: AddOptions = { ...addOptions, shard: true, pin: { ...addOptions.pin, shardSize } }

/** A version of a file that grows: those of a group have their first shards in common. The same in all worlds. */
export async function shardedUpload (group: number, version: number): Promise<ShardedUpload> {
  const random = seededRandom(group, 'sharded')
  const atFirst = shardSize + random.integer(2 * shardSize)
  const grown = Array.from({ length: version }, () => shardSize + random.integer(2 * shardSize)).reduce((sum, bytes) => sum + bytes, 0)
  const content = random.fork('content').bytes(atFirst + grown)
  const blocks = new Map<string, Block>()
  const sink = { put: ({ cid, bytes }: Block): undefined => { if (!blocks.has(cid.toString())) blocks.set(cid.toString(), { cid, bytes }) } }
  const events = await Array.fromAsync(importUnixFs(entriesOf(content), { ...shardedOptions, withScaffold: true }, sink))
  const root = events.find(event => event.kind === 'entry' && event.root)
  if (root?.kind !== 'entry') throw new Error('a file without a root')
  const parts = new Map<Cid, ReadonlySet<string>>()
  const shards: CID[] = []
  for (const shard of filled([...blocks.values()])) {
    const nodes = await linkNodes(shard.map(({ cid }) => cid))
    parts.set(cidFromBytes(nodes[0].cid.bytes), new Set([...shard, ...nodes].map(({ cid }) => cid.toString())))
    shards.push(nodes[0].cid)
  }
  const nodes = await linkNodes(shards)
  const clusterDag = cidFromBytes(nodes[0].cid.bytes)
  parts.set(clusterDag, new Set(nodes.map(({ cid }) => cid.toString())))
  return { content, root: root.cid, blocks: new Set(blocks.keys()), shards: shards.map(({ bytes }) => cidFromBytes(bytes)), clusterDag, parts }
}

/** Nodes that pin a part want its blocks. */
export function makeKnown (content: Content, { parts }: ShardedUpload): void {
  for (const [cid, blocks] of parts) content.dags.set(cid, blocks)
}

/** The blocks one after the other, as many in a shard as are smaller than it together. */
function filled (blocks: readonly Block[]): Block[][] {
  const shards: Block[][] = []
  let sizeBytes = Infinity
  for (const block of blocks) {
    if (sizeBytes + block.bytes.length >= shardSize) {
      shards.push([])
      sizeBytes = 0
    }
    shards.at(-1)?.push(block)
    sizeBytes += block.bytes.length
  }
  return shards
}
