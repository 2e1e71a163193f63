import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { Block } from '../ipfs/connector.ts'
import { hashFunctionByName } from './hash-functions.ts'

/** Most links of a shard node: what fits a block. */
export const maxNodeLinks = 5984

const dagCbor = 0x71

/**
 * Nodes that list `links` under their index, the root first (spec/components.md 7). Over
 * {@link maxNodeLinks} links there is a leaf for each so many, the last one possibly empty, and a
 * root that lists the leaves.
 */
export async function linkNodes (links: readonly CID[]): Promise<[Block, ...Block[]]> {
  if (links.length <= maxNodeLinks) return [await linkNode(links)]
  const leaves: Block[] = []
  for (let from = 0; from <= links.length; from += maxNodeLinks) leaves.push(await linkNode(links.slice(from, from + maxNodeLinks)))
  return [await linkNode(leaves.map(leaf => leaf.cid)), ...leaves]
}

async function linkNode (links: readonly CID[]): Promise<Block> {
  const { encode } = await import('@ipld/dag-cbor')
  const bytes = encode(Object.fromEntries(links.entries()))
  const hash = await hashFunctionByName('sha2-256')
  return { cid: CID.createV1(dagCbor, createDigest(hash.code, hash.digest(bytes))), bytes }
}
