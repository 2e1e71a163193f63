import { setFlagsFromString } from 'node:v8'

/** How much the heap may grow over what lives in it before V8 collects all of its garbage, in percent. */
const growthPercent = 300

/**
 * Makes full collections rarer while much data passes through. V8 counts the memory of buffers
 * toward the limit of its heap, and lets a heap in which few objects are made grow by little: with
 * some 30 MB of objects it is full again whenever 18 MB have come or gone over the network. Half
 * of the CPU of a large add to several peers went into that; the memory in use hardly changes.
 * Affects the whole process, so it is for programs to call, not for the library.
 */
export function letHeapGrow (): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`)
}
