import { decodeDeltaNode, type DeltaNode } from './delta.ts'

/** The node with this multihash in its block; undefined when the block is another one or no node. */
export function readable (multihash: string, block: Uint8Array): DeltaNode | undefined {
  try {
    const node = decodeDeltaNode(block)
    return node.blockId === `/${multihash}` ? node : undefined
  } catch {
    return undefined
  }
}
