import { ClusterError } from '../domain/errors.ts'
import type { DagWriter } from './dag-writer.ts'
import { murmur3 } from './murmur3.ts'
import { encodeShard, type Link, type NamedLink } from './unixfs-node.ts'

/** Slots of a shard, as Kubo has it: one byte of the name's hash at each level. */
const fanout = 256
/** Levels that a hash of 64 bits can tell apart. */
const maxLevels = 8

/** Entries with the same beginning of their hash: one of them, or a shard with the next byte as index. */
interface Shard { readonly slots: Map<number, Entry | Shard> }
interface Entry { readonly link: NamedLink, readonly hash: Uint8Array }

/**
 * Puts a folder over many blocks, as a trie over the hashes of its names
 * (https://specs.ipfs.tech/unixfs/, HAMT directories). The order of the links does not matter.
 */
export async function putShardedDirectory (links: Iterable<NamedLink>, writer: DagWriter): Promise<Link> {
  const root: Shard = { slots: new Map() }
  for (const link of links) insert(root, { link, hash: murmur3(Buffer.from(link.name)) }, 0)
  return putShard(root, writer)
}

function insert (shard: Shard, entry: Entry, level: number): void {
  if (level === maxLevels) throw new ClusterError('ADD_REFUSED', 'sharded directory too deep')
  const index = entry.hash[level] as number
  const there = shard.slots.get(index)
  if (there === undefined) {
    shard.slots.set(index, entry)
  } else if ('slots' in there) {
    insert(there, entry, level + 1)
  } else {
    const child: Shard = { slots: new Map() }
    insert(child, there, level + 1)
    insert(child, entry, level + 1)
    shard.slots.set(index, child)
  }
}

async function putShard (shard: Shard, writer: DagWriter): Promise<Link> {
  const bitfield = new Uint8Array(fanout / 8)
  const links: NamedLink[] = []
  let size = 0
  for (const index of [...shard.slots.keys()].toSorted((a, b) => a - b)) {
    const slot = shard.slots.get(index) as Entry | Shard
    const prefix = index.toString(16).toUpperCase().padStart(2, '0')
    const link = 'slots' in slot ? { ...await putShard(slot, writer), name: prefix } : { ...slot.link, name: prefix + slot.link.name }
    links.push(link)
    size += link.size
    const byte = bitfield.length - 1 - (index >>> 3)
    bitfield[byte] = (bitfield[byte] as number) | (1 << (index & 7))
  }
  const bytes = encodeShard(links, bitfield.subarray(bitfield.findIndex(byte => byte !== 0)), fanout)
  const cid = writer.put('dag-pb', bytes)
  await writer.ready()
  return { cid, size: size + bytes.length }
}
