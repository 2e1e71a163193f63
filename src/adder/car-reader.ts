import { CID } from 'multiformats/cid'
import { ClusterError } from '../domain/errors.ts'
import type { Block } from '../ipfs/connector.ts'
import { ByteReader } from './byte-reader.ts'

/** What an archive says of itself. */
export interface Car {
  readonly roots: readonly CID[]
  /** The blocks in their order; their bytes are not compared with their CIDs here. */
  readonly blocks: AsyncIterable<Block>
}

/** Largest header or section, in bytes: that of the reference. */
const maxSectionBytes = 32 * 1024 * 1024
/** Version 2: the pragma, then characteristics (16), and offset and size of the data and offset of the index (8 each). */
const pragmaBytes = 11
const version2HeaderBytes = 40

/**
 * Reads a content archive of version 1 or 2 (https://ipld.io/specs/transport/car/) as it comes.
 * @throws ClusterError `ADD_REFUSED` with the reference's texts
 */
export async function readCar (stream: AsyncIterable<Uint8Array>): Promise<Car> {
  const reader = new ByteReader(stream)
  const header = await readHeader(reader, Infinity)
  if (header.version === 1) return { roots: header.roots, blocks: readBlocks(reader, Infinity) }
  if (header.version !== 2) throw refused(`invalid car version: ${header.version}`)
  const bytes = await reader.read(version2HeaderBytes)
  if (bytes.length < version2HeaderBytes) throw refused('unexpected EOF')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const dataOffset = Number(view.getBigUint64(16, true))
  const dataBytes = Number(view.getBigUint64(24, true))
  const padding = dataOffset - pragmaBytes - version2HeaderBytes
  if (padding < 0 || dataBytes <= 0) throw refused('invalid car header: the data has no place')
  if (!await reader.skip(padding)) throw refused('unexpected EOF')
  const inner = await readHeader(reader, dataBytes)
  if (inner.version !== 1) throw refused(`invalid car version: ${inner.version}`)
  return { roots: inner.roots, blocks: readBlocks(reader, dataBytes - inner.bytes) }
}

interface Header { readonly version: number, readonly roots: readonly CID[], readonly bytes: number }

async function readHeader (reader: ByteReader, limitBytes: number): Promise<Header> {
  const section = await readSection(reader, limitBytes)
  if (section === undefined) throw refused('EOF')
  const { decode } = await import('@ipld/dag-cbor')
  let value: unknown
  try {
    value = decode(section.bytes)
  } catch (error) {
    throw refused(`invalid header: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || typeof value.version !== 'number') throw refused('invalid header: no version')
  const roots = 'roots' in value && Array.isArray(value.roots) ? value.roots.map(root => CID.asCID(root)) : []
  if (!roots.every(root => root !== null)) throw refused('invalid header: a root is no CID')
  return { version: value.version, roots, bytes: section.totalBytes }
}

async function * readBlocks (reader: ByteReader, limitBytes: number): AsyncGenerator<Block> {
  let left = limitBytes
  for (;;) {
    const section = await readSection(reader, left)
    // A length of zero is padding: nothing comes after it.
    if (section === undefined || section.bytes.length === 0) return
    left -= section.totalBytes
    let cid: CID
    let bytes: Uint8Array
    try {
      [cid, bytes] = CID.decodeFirst(section.bytes)
    } catch (cause) {
      throw new ClusterError('ADD_REFUSED', 'malformed car; a section does not start with a CID', { cause })
    }
    yield { cid, bytes }
  }
}

/** A length and so many bytes; undefined at the end of the archive. */
async function readSection (reader: ByteReader, limitBytes: number): Promise<{ bytes: Uint8Array, totalBytes: number } | undefined> {
  let length = 0
  let used = 0
  if (limitBytes <= 0) return undefined
  for (let scale = 1; ; scale *= 0x80) {
    const [byte] = await reader.read(1)
    if (byte === undefined) {
      if (used === 0) return undefined
      throw refused('unexpected EOF')
    }
    used++
    length += (byte & 0x7f) * scale
    if (length > maxSectionBytes) throw refused('malformed car; header is bigger than util.MaxAllowedSectionSize')
    if (byte < 0x80) break
    if (used === 8) throw refused('malformed car; a length does not end')
  }
  if (used + length > limitBytes) throw refused('malformed car; a section goes beyond the data')
  const bytes = await reader.read(length)
  if (bytes.length < length) throw refused('unexpected EOF')
  return { bytes, totalBytes: used + length }
}

function refused (message: string): ClusterError {
  return new ClusterError('ADD_REFUSED', message)
}
