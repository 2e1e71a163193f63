import { ClusterError } from '../../domain/errors.ts'
import { readVarint } from './cid-parts.ts'
import { maxVarintBytes, protobufFields } from './protobuf-fields.ts'

/** A link of a dag-pb node. */
export interface NamedLink {
  /** The binary CID. */
  readonly cid: Uint8Array
  readonly name: string
  /** Size of all that is below, as the maker of the node says. */
  readonly totalBytes: number
}

/** What a dag-pb node is for UnixFS (https://specs.ipfs.tech/unixfs). */
export type UnixfsKind = 'raw' | 'directory' | 'file' | 'metadata' | 'symlink' | 'hamt-shard'

export interface UnixfsNode {
  /** Undefined when the node is dag-pb, but not UnixFS. */
  readonly kind: UnixfsKind | undefined
  readonly links: readonly NamedLink[]
  /** Content in the node itself: a small file, the target of a symbolic link. */
  readonly data: Uint8Array
  /** Length of the whole file. */
  readonly fileBytes: number
  /** Length of the content below each link, for files. */
  readonly childBytes: readonly number[]
  /** Places in a shard of a directory. */
  readonly fanout: number
}

const kinds: readonly UnixfsKind[] = ['raw', 'directory', 'file', 'metadata', 'symlink', 'hamt-shard']
const empty: Uint8Array = new Uint8Array()
const utf8 = new TextDecoder()

/**
 * Reads a dag-pb block as UnixFS.
 * @throws ClusterError `IPFS_ANSWER` when it is no well-formed dag-pb
 */
export function decodeUnixfs (block: Uint8Array): UnixfsNode {
  const links: NamedLink[] = []
  let data: Uint8Array | undefined
  for (const { number, bytes } of protobufFields(block)) {
    if (number === 2 && bytes !== undefined) links.push(decodeLink(bytes))
    else if (number === 1) data = bytes
  }
  return { ...decodeData(data), links }
}

function decodeLink (message: Uint8Array): NamedLink {
  let cid = empty
  let name = ''
  let totalBytes = 0
  for (const { number, value, bytes } of protobufFields(message)) {
    if (number === 1 && bytes !== undefined) cid = bytes
    else if (number === 2 && bytes !== undefined) name = utf8.decode(bytes)
    else if (number === 3 && value !== undefined) totalBytes = value
  }
  return { cid, name, totalBytes }
}

function decodeData (message: Uint8Array | undefined): Omit<UnixfsNode, 'links'> {
  let kind: UnixfsKind | undefined
  let data = empty
  let fileBytes: number | undefined
  const childBytes: number[] = []
  let fanout = 0
  try {
    for (const { number, value, bytes } of protobufFields(message ?? empty)) {
      if (number === 1 && value !== undefined) kind = kinds[value]
      else if (number === 2 && bytes !== undefined) data = bytes
      else if (number === 3 && value !== undefined) fileBytes = value
      else if (number === 4) for (const size of value === undefined ? packedNumbers(bytes) : [value]) childBytes.push(size)
      else if (number === 6 && value !== undefined) fanout = value
    }
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    kind = undefined
  }
  return { kind, data, fileBytes: fileBytes ?? childBytes.reduce((sum, size) => sum + size, data.length), childBytes, fanout }
}

function packedNumbers (bytes: Uint8Array): number[] {
  const numbers: number[] = []
  for (let at = 0; at < bytes.length;) {
    const read = readVarint(bytes, at, maxVarintBytes)
    if (read === undefined) break
    numbers.push(read.value)
    at = read.next
  }
  return numbers
}
