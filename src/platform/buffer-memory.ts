import { setFlagsFromString } from 'node:v8'

/** V8 has the setting in this version of Node; in others it may have another name, and says so on stderr. */
const knownTo = 'v24.'

/**
 * Has the memory of buffers collected together with the rest of the heap, for this whole process:
 * when both have grown by the heap's usual factor. V8 otherwise looks through the whole heap
 * whenever some ten MiB of buffers were used, however little of it is garbage. A peer that sends and
 * receives blocks spent half its time on that.
 */
export function collectBuffersWithHeap (): void {
  if (process.version.startsWith(knownTo)) setFlagsFromString('--external-memory-accounted-in-global-limit')
}
