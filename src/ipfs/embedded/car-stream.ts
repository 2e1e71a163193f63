import { blockLinks } from './block-links.ts'
import { BlockSet } from './block-set.ts'
import type { BlockStore } from './block-store.ts'
import { blockKey, cidParts, identityHash } from './cid-parts.ts'
import { LinkStack } from './link-stack.ts'
import type { ReadBlock } from './resolve-path.ts'

/**
 * A DAG as a CAR file, version 1 (https://ipld.io/specs/transport/car/carv1): each block once, a
 * parent before what it links to.
 * @param spillPath where links that wait may be kept
 */
export async function * carOfDag (root: Uint8Array, store: BlockStore, read: ReadBlock, spillPath: string): AsyncGenerator<Uint8Array> {
  const written = new BlockSet()
  const stack = new LinkStack(spillPath)
  stack.push([root], -1)
  try {
    yield section(carHeader(root))
    for (;;) {
      await stack.settle()
      const link = stack.pop()
      if (link === undefined) return
      const { codec, multihash, hashCode } = cidParts(link.cid)
      const [location] = hashCode === identityHash ? [] : await store.locate([blockKey(multihash)])
      if (location !== undefined && !written.add(location)) continue
      const block = await read(link.cid)
      if (location === undefined && hashCode !== identityHash) {
        // It has just come from another node.
        const [fetched] = await store.locate([blockKey(multihash)])
        if (fetched !== undefined) written.add(fetched)
      }
      if (hashCode !== identityHash) yield section(link.cid, block)
      stack.push(blockLinks(codec, block), -1)
    }
  } finally {
    await stack.close()
  }
}

/** dag-cbor of `{ roots: [root], version: 1 }`. */
function carHeader (root: Uint8Array): Uint8Array {
  const length = root.length + 1
  return Buffer.concat([
    Uint8Array.of(0xa2, 0x65), Buffer.from('roots'), Uint8Array.of(0x81, 0xd8, 0x2a),
    length < 24 ? Uint8Array.of(0x40 + length) : Uint8Array.of(0x58, length), Uint8Array.of(0), root,
    Uint8Array.of(0x67), Buffer.from('version'), Uint8Array.of(0x01),
  ])
}

/** The parts with their length before them. */
function section (...parts: Uint8Array[]): Uint8Array {
  let length = parts.reduce((sum, part) => sum + part.length, 0)
  const prefix: number[] = []
  for (; length >= 0x80; length = Math.floor(length / 128)) prefix.push((length & 0x7f) | 0x80)
  return Buffer.concat([Uint8Array.of(...prefix, length), ...parts])
}
