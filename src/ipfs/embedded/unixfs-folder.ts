import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { shardPrefixLength, type ReadBlock } from './resolve-path.ts'
import { decodeUnixfs, type NamedLink, type UnixfsNode } from './unixfs.ts'

/** Levels of shards: 64 bits of hash, one at least each. */
const maxShardLevels = 64

/**
 * What is in a folder, sharded or not; the order is that of its blocks.
 * @throws ClusterError `IPFS_ANSWER` when it is malformed; what `read` throws
 */
export async function * folderEntries (cid: Uint8Array, node: UnixfsNode, read: ReadBlock, level = 0): AsyncGenerator<NamedLink> {
  if (node.kind !== 'hamt-shard') {
    yield * node.links
    return
  }
  const prefixLength = shardPrefixLength(node.fanout)
  if (level > maxShardLevels) throw new ClusterError('IPFS_ANSWER', `folder ${cidFromBytes(cid)} is malformed`)
  for (const link of node.links) {
    if (link.name.length > prefixLength) yield { ...link, name: link.name.slice(prefixLength) }
    else yield * folderEntries(link.cid, decodeUnixfs(await read(link.cid)), read, level + 1)
  }
}
