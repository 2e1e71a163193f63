import { errorText } from '../../domain/errors.ts'
import { decodeDeltaNode, type DeltaNode } from './delta.ts'
import { digestBytes, multihashKey, multihashOfDigest } from './keys.ts'

/** A block as it was read: the node, or why there is none. */
export interface ReadNode {
  readonly node: DeltaNode | undefined
  /** The block is not the one that the name stands for. */
  readonly isForged: boolean
  readonly reason: string
}

/** No block at all. */
export const noBlock: ReadNode = { node: undefined, isForged: true, reason: '' }

/** Reads the block of a node. */
export function readNode (name: string, block: Uint8Array): ReadNode {
  try {
    const node = decodeDeltaNode(block)
    return node.blockId === `/${name}` ? { node, isForged: false, reason: '' } : noBlock
  } catch (error) {
    return isBlockOf(name, block) ? { node: undefined, isForged: false, reason: errorText(error) } : noBlock
  }
}

/** The nodes that a node follows. */
export function linksOf (node: DeltaNode): string[] { return node.links.map(link => multihashKey(link.multihash.bytes)) }

/** Whether the block has the multihash that names the node. */
export function isBlockOf (node: string, block: Uint8Array): boolean {
  return multihashOfDigest(digestBytes(block)) === node
}
