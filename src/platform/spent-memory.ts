/*
 * Large buffers that come and go are freed by whoever uses them last. Left to the collection of
 * garbage they cost more than what is done with them: it comes late, so that each is made of memory
 * that the processor has forgotten, and it looks through the whole heap.
 */

/** Where the bytes end that their maker has handed over. */
const handedOver = Symbol('handed over')

/** Set where one value has a memory for itself. */
const setApartMark = Symbol('set apart')

interface HandedOver extends ArrayBuffer { [handedOver]?: number, [setApartMark]?: true }

/** Less is collected at little cost. */
const minBytes = 4 * 1024

/**
 * Says that the maker of `bytes` does not look at their memory any more, nor at anything else in it:
 * it may be freed by {@link giveBack}, but need not.
 */
export function handOver (bytes: Uint8Array): void {
  if (bytes.length >= minBytes && bytes.buffer instanceof ArrayBuffer) (bytes.buffer as HandedOver)[handedOver] = bytes.byteOffset + bytes.length
}

/**
 * Says that `piece` is not looked at any more. Frees its memory when it is the end of what was handed
 * over; whoever gives pieces back goes through them in their order, so all else has been used then.
 * The piece, and all others of that memory, are empty afterwards.
 */
export function giveBack (piece: Uint8Array): void {
  const buffer = piece.buffer as HandedOver
  if (buffer[handedOver] !== undefined && piece.length > 0 && buffer[handedOver] === piece.byteOffset + piece.length) buffer.transfer(0)
}

/** Says that nothing else stands in the memory of `value`: {@link free} may free it when nobody needs the value any more. */
export function setApart (value: Uint8Array): void {
  if (value.length >= minBytes && value.buffer instanceof ArrayBuffer) (value.buffer as HandedOver)[setApartMark] = true
}

/** Says that a value of which this is a part is not looked at any more. Frees its memory if it was {@link setApart}. */
export function free (part: Uint8Array): void {
  const buffer = part.buffer as HandedOver
  if (buffer[setApartMark] === true) buffer.transfer(0)
}
