import type { Chunk } from './byte-queue.ts'

/** What a node says of a node below it. */
export interface Link {
  /** Binary CID. */
  readonly cid: Uint8Array
  /** Bytes of all blocks below, itself included ("Tsize"). */
  readonly size: number
}

export interface NamedLink extends Link { readonly name: string }

/** A child of a file: also knows the bytes of content below. */
export interface FileLink extends Link { readonly contentBytes: number }

/** Kinds of a UnixFS node (https://specs.ipfs.tech/unixfs/). */
const kinds = { raw: 0, directory: 1, file: 2, symlink: 4, hamtShard: 5 } as const

/** Multicodec of murmur3-x64-64, the only function that sharded folders know. */
const murmur3 = 0x22

/** Tags: field number and wire type of the two messages. All fit in one byte. */
const tag = { nodeData: 0x0a, nodeLink: 0x12, linkHash: 0x0a, linkName: 0x12, linkSize: 0x18, kind: 0x08, data: 0x12, fileSize: 0x18, blockSize: 0x20, hashType: 0x28, fanout: 0x30 } as const

/** A leaf with content, framed in place: the bytes of the block are those of the chunk's buffer. */
export function encodeLeaf (chunk: Chunk, kind: 'file' | 'raw'): Uint8Array {
  const { buffer, start, end } = chunk
  const contentBytes = end - start
  const innerBytes = 2 + 1 + varintBytes(contentBytes) + contentBytes + 1 + varintBytes(contentBytes)
  const blockStart = start - (1 + varintBytes(innerBytes) + 2 + 1 + varintBytes(contentBytes))
  let at = blockStart
  buffer[at++] = tag.nodeData
  at = writeVarint(buffer, innerBytes, at)
  buffer[at++] = tag.kind
  buffer[at++] = kinds[kind]
  buffer[at++] = tag.data
  writeVarint(buffer, contentBytes, at)
  buffer[end] = tag.fileSize
  return buffer.subarray(blockStart, writeVarint(buffer, contentBytes, end + 1))
}

/** A node of a file above its leaves; without children it is the empty file. */
export function encodeFileNode (children: readonly FileLink[]): Uint8Array {
  let contentBytes = 0
  let sizesBytes = 0
  for (const child of children) {
    contentBytes += child.contentBytes
    sizesBytes += 1 + varintBytes(child.contentBytes)
  }
  const data = Buffer.allocUnsafe(2 + 1 + varintBytes(contentBytes) + sizesBytes)
  data[0] = tag.kind
  data[1] = kinds.file
  data[2] = tag.fileSize
  let at = writeVarint(data, contentBytes, 3)
  for (const child of children) {
    data[at++] = tag.blockSize
    at = writeVarint(data, child.contentBytes, at)
  }
  return encodeNode(children, data)
}

/** A folder in one block. Links must be in the order of their names' bytes. */
export function encodeDirectory (links: readonly NamedLink[]): Uint8Array {
  return encodeNode(links, Buffer.of(tag.kind, kinds.directory))
}

/** One shard of a folder over many blocks; `bitfield` tells which slots are in use, without leading zeros. */
export function encodeShard (links: readonly NamedLink[], bitfield: Uint8Array, fanout: number): Uint8Array {
  const data = Buffer.allocUnsafe(2 + 1 + varintBytes(bitfield.length) + bitfield.length + 1 + varintBytes(murmur3) + 1 + varintBytes(fanout))
  data[0] = tag.kind
  data[1] = kinds.hamtShard
  data[2] = tag.data
  let at = writeVarint(data, bitfield.length, 3)
  data.set(bitfield, at)
  at += bitfield.length
  data[at++] = tag.hashType
  at = writeVarint(data, murmur3, at)
  data[at++] = tag.fanout
  writeVarint(data, fanout, at)
  return encodeNode(links, data)
}

export function encodeSymlink (target: Uint8Array): Uint8Array {
  const data = Buffer.allocUnsafe(2 + 1 + varintBytes(target.length) + target.length)
  data[0] = tag.kind
  data[1] = kinds.symlink
  data[2] = tag.data
  data.set(target, writeVarint(data, target.length, 3))
  return encodeNode([], data)
}

/** The dag-pb form: links first, then the data (https://ipld.io/specs/codecs/dag-pb/). Each link has a name, maybe an empty one. */
function encodeNode (links: ReadonlyArray<Link & { readonly name?: string }>, data: Uint8Array): Uint8Array {
  const names = links.map(link => link.name === undefined || link.name === '' ? 0 : Buffer.byteLength(link.name))
  let bytes = 1 + varintBytes(data.length) + data.length
  for (let i = 0; i < links.length; i++) {
    const length = linkBytes(links[i] as Link, names[i] as number)
    bytes += 1 + varintBytes(length) + length
  }
  const block = bytes < Buffer.poolSize >>> 1 ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes)
  let at = 0
  for (let i = 0; i < links.length; i++) {
    const link = links[i] as Link & { readonly name?: string }
    const nameBytes = names[i] as number
    block[at++] = tag.nodeLink
    at = writeVarint(block, linkBytes(link, nameBytes), at)
    block[at++] = tag.linkHash
    at = writeVarint(block, link.cid.length, at)
    block.set(link.cid, at)
    at += link.cid.length
    block[at++] = tag.linkName
    at = writeVarint(block, nameBytes, at)
    if (nameBytes > 0) at += block.write(link.name as string, at)
    block[at++] = tag.linkSize
    at = writeVarint(block, link.size, at)
  }
  block[at++] = tag.nodeData
  block.set(data, writeVarint(block, data.length, at))
  return block
}

function linkBytes (link: Link, nameBytes: number): number {
  return 1 + varintBytes(link.cid.length) + link.cid.length + 1 + varintBytes(nameBytes) + nameBytes + 1 + varintBytes(link.size)
}

function varintBytes (value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

/** Writes up to 53 bits; answers the position after them. */
function writeVarint (target: Uint8Array, value: number, at: number): number {
  let rest = value
  let next = at
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[next++] = (rest % 0x80) | 0x80
  target[next++] = rest
  return next
}
