import { ClusterError } from '../domain/errors.ts'

/** One entry of a packed list: a tag of one byte and its payload. */
export interface PackedRecord { readonly tag: number, readonly payload: Uint8Array }

/** Packs small records into one store value, so that a batch costs one entry: tag, length (4 bytes), payload. */
export function packRecords (records: readonly PackedRecord[]): Uint8Array {
  let size = 0
  for (const record of records) size += 5 + record.payload.length
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { tag, payload } of records) {
    bytes[at] = tag
    view.setUint32(at + 1, payload.length)
    bytes.set(payload, at + 5)
    at += 5 + payload.length
  }
  return bytes
}

/** @throws ClusterError `STORE_DAMAGED` */
export function unpackRecords (bytes: Uint8Array): PackedRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const records: PackedRecord[] = []
  let at = 0
  while (at < bytes.length) {
    const end = at + 5 <= bytes.length ? at + 5 + view.getUint32(at + 1) : Infinity
    if (end > bytes.length) throw new ClusterError('STORE_DAMAGED', 'the datastore holds a list that is cut off: restore it with "ipfs-cluster-service state import"')
    records.push({ tag: bytes[at] as number, payload: bytes.subarray(at + 5, end) })
    at = end
  }
  return records
}

/** A number as a store key part that sorts by value. */
export function sequenceKey (sequence: number): string {
  return String(sequence).padStart(16, '0')
}
