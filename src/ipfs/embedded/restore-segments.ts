import type { Logger } from '../../platform/logger.ts'
import type { BlockIndex, IndexChange } from './block-index.ts'
import { blockKey } from './cid-parts.ts'
import { recordBytes, scanRecords } from './segment-record.ts'
import type { Segment, Segments } from './segments.ts'

/** Records looked up together. */
const recordsPerStep = 1000

/**
 * Brings the table of segments and the index to what stands on disk. A file that the index does
 * not know (a crash before its first entry or after its last, an index made anew) is read through
 * and its whole blocks enter the index; at worst garbage comes back until the next collection.
 */
export async function restoreSegments (index: BlockIndex, segments: Segments, logger: Logger): Promise<void> {
  const files = await segments.listFiles()
  const recorded = await index.segments()
  const known = new Map(recorded?.map(segment => [segment.id, segment]))
  if (recorded === undefined && files.length > 0) logger.warn({ segments: files.length }, 'reading all blocks to make their index anew: this takes a while')
  const unknown: number[] = []
  for (const id of files) {
    const segment = known.get(id)
    known.delete(id)
    if (segment === undefined) unknown.push(id)
    else segments.add(segment)
  }
  for (const id of unknown) await adopt(id, index, segments, logger)
  if (known.size > 0) await forgetBlocksOf(known, index)
  for (const lost of known.values()) {
    logger.error({ segment: lost.id, blocks: lost.liveBlocks }, 'a file of blocks is gone: its blocks are fetched again when somebody wants them')
    await index.forget(lost)
  }
  segments.pass(await index.highestGone())
  if (recorded === undefined) await index.begin()
  const last = segments.last()
  if (last !== undefined) await openEnd(last, segments, logger)
}

/** Takes the blocks of segments whose files are gone out of the index. */
async function forgetBlocksOf (lost: ReadonlyMap<number, Segment>, index: BlockIndex): Promise<void> {
  for await (const entries of index.entries()) {
    const gone = entries.filter(({ location }) => lost.has(location.segment))
    if (gone.length > 0) await index.write(gone.map(({ key }) => ({ key, location: undefined })), [], { sync: false })
  }
}

async function adopt (id: number, index: BlockIndex, segments: Segments, logger: Logger): Promise<void> {
  const segment: Segment = { id, sizeBytes: 0, records: 0, liveBytes: 0, liveBlocks: 0, failed: false }
  segments.add(segment)
  const fileBytes = await segments.fileBytes(id)
  let step = new Map<string, { change: IndexChange, sizeBytes: number }>()
  const take = async (): Promise<void> => {
    const keys = [...step.keys()]
    for (const [i, location] of (await index.locate(keys)).entries()) {
      const key = keys[i] as string
      if (location !== undefined && segments.get(location.segment) !== undefined) {
        step.delete(key)
        continue
      }
      segment.liveBlocks++
      segment.liveBytes += step.get(key)?.sizeBytes ?? 0
    }
    await index.write([...step.values()].map(({ change }) => change), [segment], { sync: false })
    step = new Map()
  }
  for await (const { ordinal, offset, multihash, bytes } of scanRecords(segments.reader(id), fileBytes)) {
    const sizeBytes = recordBytes(multihash.length, bytes.length)
    const key = blockKey(multihash)
    step.set(key, { change: { key, location: { segment: id, ordinal, offset, sizeBytes: bytes.length } }, sizeBytes })
    segment.records = ordinal + 1
    segment.sizeBytes = offset + sizeBytes
    if (step.size >= recordsPerStep) await take()
  }
  await take()
  await index.write([], [segment], { sync: true })
  if (segment.sizeBytes < fileBytes) logger.warn({ segment: id, bytes: fileBytes - segment.sizeBytes }, 'the end of a file of blocks was not written completely: it is left out')
}

/** The last segment is written on: what a crash left behind its known end goes away first. */
async function openEnd (last: Segment, segments: Segments, logger: Logger): Promise<void> {
  const fileBytes = await segments.fileBytes(last.id)
  if (fileBytes > last.sizeBytes) await segments.truncate(last)
  if (fileBytes >= last.sizeBytes) return
  logger.error({ segment: last.id, bytes: last.sizeBytes - fileBytes }, 'a file of blocks is shorter than it was: check the disk')
  last.failed = true
}
