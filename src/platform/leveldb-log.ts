/**
 * Reads the framing of LevelDB's logs and manifests (its doc/log_format.md): blocks of 32 KiB, in
 * which records stand whole or in fragments, each with a checksum. LevelDB itself skips what is
 * damaged in a log without a word; this tells where the damage is, before LevelDB writes anything.
 */

const blockBytes = 32 * 1024
/** Checksum (4), length (2), type (1). */
const headerBytes = 7
/** Types of fragments; 3 is one in the middle. */
const fullType = 1
const firstType = 2
const lastType = 4

export interface ScannedLog {
  /** The whole records, up to the first damage. */
  readonly records: Uint8Array[]
  /**
   * Where in the file the first damage begins, when there is something good behind it. A bad end
   * is none: it is what a crash leaves of a write that was never acknowledged.
   */
  readonly damagedAt: number | undefined
}

/** @param keep which records are wanted: without, they are only checked */
export function scanLog (bytes: Uint8Array, keep: boolean): ScannedLog {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const records: Uint8Array[] = []
  let parts: Uint8Array[] = []
  let badAt: number | undefined
  for (let block = 0; block < bytes.length; block += blockBytes) {
    const end = Math.min(block + blockBytes, bytes.length)
    let at = block
    while (end - at >= headerBytes) {
      const length = view.getUint16(at + 4, true)
      const type = view.getUint8(at + 6)
      const next = at + headerBytes + length
      if (next > end || type === 0 || !isIntact(view, bytes, at, next)) {
        badAt ??= at
        // The length may be true all the same: then the next record stands right behind.
        if (next <= end && type !== 0 && end - next >= headerBytes && isIntactAt(view, bytes, next, end)) return { records, damagedAt: badAt }
        break
      }
      if (badAt !== undefined) return { records, damagedAt: badAt }
      if (keep) {
        if (type === fullType || type === firstType) parts = []
        parts.push(bytes.subarray(at + headerBytes, next))
        if (type === fullType || type === lastType) records.push(joined(parts))
      }
      at = next
    }
  }
  return { records, damagedAt: undefined }
}

function isIntactAt (view: DataView, bytes: Uint8Array, at: number, end: number): boolean {
  const next = at + headerBytes + view.getUint16(at + 4, true)
  return next <= end && isIntact(view, bytes, at, next)
}

function isIntact (view: DataView, bytes: Uint8Array, at: number, next: number): boolean {
  const type = view.getUint8(at + 6)
  if (type < fullType || type > lastType) return false
  return view.getUint32(at, true) === masked(crc32c(bytes, at + headerBytes - 1, next))
}

function joined (parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0] as Uint8Array : Buffer.concat(parts)
}

/** Checksums of data that holds checksums are bad ones: LevelDB stores them turned and shifted. */
function masked (crc: number): number {
  return ((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) >>> 0
}

/** Eight bytes at a time, with a table for each place (Intel's slicing-by-8): a log of 8 MiB takes some 20 ms. */
let tables: Uint32Array[] | undefined

/** CRC-32C (RFC 3720 B.4) of the bytes from `start` to `end`. */
export function crc32c (bytes: Uint8Array, start: number, end: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables ??= makeTables()
  let crc = 0xffffffff
  let at = start
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ ((bytes[at] as number) | (bytes[at + 1] as number) << 8 | (bytes[at + 2] as number) << 16 | (bytes[at + 3] as number) << 24)
    crc = (t7 as Uint32Array)[low & 255] as number ^ ((t6 as Uint32Array)[(low >>> 8) & 255] as number) ^ ((t5 as Uint32Array)[(low >>> 16) & 255] as number) ^ ((t4 as Uint32Array)[low >>> 24] as number) ^
      ((t3 as Uint32Array)[bytes[at + 4] as number] as number) ^ ((t2 as Uint32Array)[bytes[at + 5] as number] as number) ^ ((t1 as Uint32Array)[bytes[at + 6] as number] as number) ^ ((t0 as Uint32Array)[bytes[at + 7] as number] as number)
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ ((t0 as Uint32Array)[(crc ^ (bytes[at] as number)) & 255] as number)
  return ~crc >>> 0
}

function makeTables (): Uint32Array[] {
  const made = Array.from({ length: 8 }, () => new Uint32Array(256))
  const first = made[0] as Uint32Array
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    first[n] = crc >>> 0
  }
  for (let place = 1; place < 8; place++) {
    const before = made[place - 1] as Uint32Array
    const table = made[place] as Uint32Array
    for (let n = 0; n < 256; n++) table[n] = ((before[n] as number) >>> 8) ^ (first[(before[n] as number) & 255] as number)
  }
  return made
}
