import { CID } from 'multiformats/cid'
import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'
import { cidParts, codecs, identityHash } from './cid-parts.ts'
import { murmur3 } from './murmur3.ts'
import { decodeUnixfs, type NamedLink, type UnixfsNode } from './unixfs.ts'

/** Brings a block by its binary CID. */
export type ReadBlock = (cid: Uint8Array) => Promise<Uint8Array>

/** Names in a path: deeper ones are refused before any block is read. */
const maxNames = 256
/** Bits of a name's hash. */
const hashBits = 64

/** A path such as `/ipfs/<cid>/a/b` taken apart. @throws ClusterError `INVALID_PATH` */
export function splitPath (path: string): { readonly namespace: 'ipfs' | 'ipns' | 'ipld', readonly root: string, readonly names: string[] } {
  const [, namespace = '', root = '', rest = ''] = /^\/([^/]*)\/([^/]*)(.*)$/s.exec(path.startsWith('/') ? path : `/ipfs/${path}`) ?? []
  const names = rest.split('/').filter(name => name !== '')
  if ((namespace !== 'ipfs' && namespace !== 'ipns' && namespace !== 'ipld') || root === '') throw new ClusterError('INVALID_PATH', `invalid path ${quote(path)}: paths look like /ipfs/<cid>/folder/file`)
  if (names.length > maxNames) throw new ClusterError('INVALID_PATH', `invalid path: it has more than ${maxNames} names`)
  return { namespace, root, names }
}

/**
 * Follows names from a root: directories, sharded or not, and maps and lists of dag-cbor and
 * dag-json. A path that ends inside a block answers that block, as Kubo does.
 * @throws ClusterError `IPFS_ANSWER` for a name that is not there; what `read` throws
 */
export async function resolvePath (root: Uint8Array, names: readonly string[], read: ReadBlock): Promise<Uint8Array> {
  let cid = root
  let rest = names
  while (rest.length > 0) {
    const { codec, hashCode, digest } = cidParts(cid)
    const block = hashCode === identityHash ? digest : await read(cid)
    const step = codec === codecs.dagPb ? await stepUnixfs(cid, block, rest[0] as string, read) : await stepObject(cid, codec, block, rest)
    if (step === undefined) return cid
    rest = rest.slice(step.taken)
    cid = step.cid
  }
  return cid
}

async function stepUnixfs (cid: Uint8Array, block: Uint8Array, name: string, read: ReadBlock): Promise<{ cid: Uint8Array, taken: number }> {
  const node = decodeUnixfs(block)
  const link = node.kind === 'hamt-shard' ? await findInShards(cid, node, name, read) : node.links.find(link => link.name === name)
  if (link === undefined) throw noLink(name, cid)
  return { cid: link.cid, taken: 1 }
}

/** A sharded directory: each level takes some more bits of the name's hash, the highest first. */
async function findInShards (root: Uint8Array, top: UnixfsNode, name: string, read: ReadBlock): Promise<NamedLink | undefined> {
  const hash = murmur3(new TextEncoder().encode(name))
  let node = top
  for (let usedBits = 0; ;) {
    const bits = Math.log2(node.fanout)
    if (!Number.isInteger(bits) || bits < 1 || usedBits + bits > hashBits) throw new ClusterError('IPFS_ANSWER', `${cidFromBytes(root)} is a malformed directory`)
    const place = Number(hash >> BigInt(hashBits - usedBits - bits) & BigInt(node.fanout - 1))
    const prefix = place.toString(16).toUpperCase().padStart(shardPrefixLength(node.fanout), '0')
    usedBits += bits
    const link = node.links.find(link => link.name === prefix || link.name === prefix + name)
    if (link === undefined || link.name !== prefix) return link
    node = decodeUnixfs(await read(link.cid))
    if (node.kind !== 'hamt-shard') throw new ClusterError('IPFS_ANSWER', `${cidFromBytes(root)} is a malformed directory`)
  }
}

/** Letters before each name in a shard with so many places. */
export function shardPrefixLength (fanout: number): number { return (fanout - 1).toString(16).length }

async function stepObject (cid: Uint8Array, codec: number, block: Uint8Array, names: readonly string[]): Promise<{ cid: Uint8Array, taken: number } | undefined> {
  let value = await decodeObject(cid, codec, block, names[0] as string)
  for (const [at, name] of names.entries()) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) throw noLink(name, cid)
    value = (value as Record<string, unknown>)[name]
    const link = linkOf(value)
    if (link !== undefined) return { cid: link.bytes, taken: at + 1 }
  }
  return undefined
}

async function decodeObject (cid: Uint8Array, codec: number, block: Uint8Array, name: string): Promise<unknown> {
  if (codec !== codecs.dagCbor && codec !== codecs.dagJson) throw noLink(name, cid)
  try {
    if (codec === codecs.dagJson) return JSON.parse(new TextDecoder().decode(block))
    const { decode } = await import('@ipld/dag-cbor')
    return decode(block)
  } catch (error) {
    throw new ClusterError('IPFS_ANSWER', `block ${cidFromBytes(cid)} cannot be read: ${errorText(error)}`, { cause: error })
  }
}

function linkOf (value: unknown): CID | undefined {
  const cid = CID.asCID(value)
  if (cid !== null) return cid
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return undefined
  const text = (value as Record<string, unknown>)['/']
  if (typeof text !== 'string') return undefined
  try {
    return CID.parse(text)
  } catch {
    return undefined
  }
}

function noLink (name: string, cid: Uint8Array): ClusterError {
  return new ClusterError('IPFS_ANSWER', `no link named ${quote(name)} under ${cidFromBytes(cid)}`)
}
