import type { Segment } from './segments.ts'

/** A segment is rewritten when at least this part of it is dead: bounds what garbage takes after a collection. */
const sparsePart = 0.1
/** Segments below this size are put together when there are more of them than {@link maxSmallSegments}: each start and collection may leave one. */
const smallSegmentBytes = 16 * 1024 * 1024
const maxSmallSegments = 8

/** The segments that are worth rewriting, first those that need the least room for it. */
export function chooseSparse (segments: readonly Segment[]): number[] {
  const small = segments.filter(segment => segment.sizeBytes < smallSegmentBytes)
  const merge = small.length > maxSmallSegments
  return segments
    .filter(segment => segment.liveBytes <= (1 - sparsePart) * segment.sizeBytes || (merge && segment.sizeBytes < smallSegmentBytes))
    .toSorted((a, b) => a.liveBytes - b.liveBytes)
    .map(segment => segment.id)
}
