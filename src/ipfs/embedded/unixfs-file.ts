import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { cidParts, codecs } from './cid-parts.ts'
import type { ReadBlock } from './resolve-path.ts'
import { decodeUnixfs } from './unixfs.ts'

/** A part of a file: from a byte to before another. */
export interface ByteRange { readonly from: number, readonly to: number }

/** A block of the file and the bytes of the file below it. */
interface Part extends ByteRange {
  readonly cid: Uint8Array
  block?: Promise<Uint8Array>
}

/** Blocks read ahead of the one that is given out: hides the way to the disk, and a little of that to another node. */
const partsAhead = 4

/** Length of the file with this root block, in bytes. Undefined when it is no file. @throws ClusterError `IPFS_ANSWER` */
export function fileLength (codec: number, block: Uint8Array): number | undefined {
  if (codec !== codecs.dagPb) return codec === codecs.raw ? block.length : undefined
  const { kind, fileBytes } = decodeUnixfs(block)
  return kind === 'file' || kind === 'raw' ? fileBytes : undefined
}

/**
 * The content of a UnixFS file, or of a raw block, bit by bit as it is asked for: memory is a few
 * blocks, whatever the size of the file and the speed of the reader.
 * @throws ClusterError `IPFS_ANSWER` when a block is not what the file says; what `read` throws
 */
export async function * fileContent (root: Uint8Array, lengthBytes: number, range: ByteRange, read: ReadBlock): AsyncGenerator<Uint8Array> {
  const parts: Part[] = [{ cid: root, from: 0, to: lengthBytes }]
  for (;;) {
    for (const ahead of parts.slice(-partsAhead)) {
      if (ahead.block !== undefined) continue
      ahead.block = read(ahead.cid)
      ahead.block.catch(() => {})
    }
    const part = parts.pop()
    if (part?.block === undefined) return
    const { own, below } = split(part, await part.block)
    const bytes = own.bytes.subarray(Math.max(0, range.from - own.from), Math.max(0, range.to - own.from))
    if (bytes.length > 0) yield bytes
    for (const child of below.toReversed()) if (child.from < range.to && child.to > range.from && child.to > child.from) parts.push(child)
  }
}

/** What a block holds itself, which comes first, and what is below it. */
function split (part: Part, block: Uint8Array): { own: { from: number, bytes: Uint8Array }, below: Part[] } {
  const { codec } = cidParts(part.cid)
  if (codec === codecs.raw) {
    if (block.length !== part.to - part.from) throw malformed(part.cid)
    return { own: { from: part.from, bytes: block }, below: [] }
  }
  if (codec !== codecs.dagPb) throw malformed(part.cid)
  const { kind, data, links, childBytes } = decodeUnixfs(block)
  if ((kind !== 'file' && kind !== 'raw') || links.length !== childBytes.length) throw malformed(part.cid)
  let at = part.from + data.length
  const below = links.map(({ cid }, i): Part => ({ cid, from: at, to: at += childBytes[i] as number }))
  if (at !== part.to) throw malformed(part.cid)
  return { own: { from: part.from, bytes: data }, below }
}

function malformed (cid: Uint8Array): ClusterError {
  return new ClusterError('IPFS_ANSWER', `block ${cidFromBytes(cid)} does not fit into its file: the file is malformed`)
}
