import { crc32 } from 'node:zlib'

/**
 * How a block stands in a segment file: a header of 16 bytes (mark, length of the multihash,
 * zero, length of the block, CRC-32 of all that follows and precedes it), the multihash, the
 * block. The checksum tells a torn write from a whole block, and rot from content.
 */
export interface BlockRecord {
  readonly ordinal: number
  readonly offset: number
  readonly multihash: Uint8Array
  readonly bytes: Uint8Array
}

const headerBytes = 16
const mark = 0x464c4231 // FLB1

/** Longest multihash accepted, in bytes: 64 byte digests with their code and length fit. */
export const maxMultihashBytes = 128

/** Largest block accepted, in bytes. Other nodes take 2 MiB over bitswap; more only comes by upload. */
export const maxBlockBytes = 16 * 1024 * 1024

/** The length of a record in bytes. */
export function recordBytes (multihashBytes: number, blockBytes: number): number { return headerBytes + multihashBytes + blockBytes }

/** The beginning of a record; the block itself follows, so that it need not be copied. */
export function recordHead (multihash: Uint8Array, bytes: Uint8Array): Uint8Array {
  const head = Buffer.allocUnsafe(headerBytes + multihash.length)
  head.writeUInt32BE(mark, 0)
  head.writeUInt16BE(multihash.length, 4)
  head.writeUInt16BE(0, 6)
  head.writeUInt32BE(bytes.length, 8)
  head.set(multihash, headerBytes)
  head.writeUInt32BE(checksum(head, bytes), 12)
  return head
}

/** The block in a record that was read whole, or undefined when it is not the one wanted or damaged. */
export function blockOfRecord (record: Buffer, multihash: Uint8Array): Uint8Array | undefined {
  const lengths = recordLengths(record)
  if (lengths === undefined || lengths.total !== record.length || lengths.multihashBytes !== multihash.length) return undefined
  const head = record.subarray(0, headerBytes + multihash.length)
  const bytes = record.subarray(head.length)
  if (head.readUInt32BE(12) !== checksum(head, bytes)) return undefined
  return head.subarray(headerBytes).equals(multihash) ? bytes : undefined
}

/** Reads bytes of a file from an offset: fewer than asked only at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>

/** Bytes read at once by {@link scanRecords}. */
const scanWindowBytes = 4 * 1024 * 1024

/** All whole records from the start of a file of `sizeBytes`; ends at the first that is torn or damaged. */
export async function * scanRecords (readAt: ReadAt, sizeBytes: number): AsyncGenerator<BlockRecord> {
  let window: Buffer = Buffer.alloc(0)
  let windowAt = 0
  let offset = 0
  const want = async (length: number): Promise<Buffer> => {
    if (offset + length > windowAt + window.length) {
      window = await readAt(offset, Math.min(Math.max(length, scanWindowBytes), sizeBytes - offset))
      windowAt = offset
    }
    return window.subarray(offset - windowAt, offset - windowAt + length)
  }
  for (let ordinal = 0; offset < sizeBytes; ordinal++) {
    const lengths = recordLengths(await want(headerBytes))
    if (lengths === undefined || offset + lengths.total > sizeBytes) return
    const record = await want(lengths.total)
    const multihash = record.subarray(headerBytes, headerBytes + lengths.multihashBytes)
    const bytes = blockOfRecord(record, multihash)
    if (bytes === undefined) return
    yield { ordinal, offset, multihash, bytes }
    offset += lengths.total
  }
}

function recordLengths (head: Buffer): { multihashBytes: number, total: number } | undefined {
  if (head.length < headerBytes || head.readUInt32BE(0) !== mark || head.readUInt16BE(6) !== 0) return undefined
  const multihashBytes = head.readUInt16BE(4)
  const blockBytes = head.readUInt32BE(8)
  if (multihashBytes > maxMultihashBytes || blockBytes > maxBlockBytes) return undefined
  return { multihashBytes, total: recordBytes(multihashBytes, blockBytes) }
}

/** Over everything but the checksum's own place. */
function checksum (head: Buffer, bytes: Uint8Array): number {
  return crc32(bytes, crc32(head.subarray(headerBytes), crc32(head.subarray(0, 12))))
}
