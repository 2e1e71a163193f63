/**
 * Text from ASCII codes. CIDs and peer IDs are made a million at a time: Node's Buffer does it
 * several times faster than what a browser has.
 */
export const asciiText: (codes: Uint8Array, start: number, end: number) => string = typeof globalThis.Buffer === 'function'
  ? textByBuffer
  : (codes, start, end) => String.fromCharCode(...codes.subarray(start, end))

/** A second view of the same memory for every array that was seen: callers have one array each. */
const views = new WeakMap<Uint8Array, Buffer>()

function textByBuffer (codes: Uint8Array, start: number, end: number): string {
  let view = views.get(codes)
  if (view === undefined) {
    view = Buffer.from(codes.buffer, codes.byteOffset, codes.byteLength)
    views.set(codes, view)
  }
  return view.toString('latin1', start, end)
}
