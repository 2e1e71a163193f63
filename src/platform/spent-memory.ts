/*
 * Large buffers that come and go are freed by whoever uses them last. Left to the collection of
 * garbage they cost more than what is done with them: it comes late, so that each is made of memory
 * that the processor has forgotten, and it looks through the whole heap.
 */

/** Who frees what is handed over. For all others it is memory like any: what was decrypted may be sent on, more than once. */
export type LastUser = 'encryption' | 'sending' | 'decryption' | 'reading'

/** Where the bytes end that their maker has handed over, and to whom. */
const handedOver = Symbol('handed over')
const handedTo = Symbol('handed to')
/** Set where one value has a memory for itself. */
const setApartMark = Symbol('set apart')

interface HandedOver extends ArrayBuffer { [handedOver]?: number, [handedTo]?: LastUser, [setApartMark]?: true }

/** Less is collected at little cost. */
const minBytes = 4 * 1024

/**
 * Says that the maker of `bytes` does not look at their memory any more, nor at anything else in it:
 * `to` may free it by {@link giveBack}, but need not.
 */
export function handOver (bytes: Uint8Array, to: LastUser): void {
  if (bytes.length < minBytes || !(bytes.buffer instanceof ArrayBuffer)) return
  const buffer = bytes.buffer as HandedOver
  buffer[handedOver] = bytes.byteOffset + bytes.length
  buffer[handedTo] = to
}

/**
 * Says that `piece` is not looked at any more. Frees its memory when it is the end of what was handed
 * over; whoever gives pieces back goes through them in their order, so all else has been used then.
 * The piece, and all others of that memory, are empty afterwards.
 */
export function giveBack (piece: Uint8Array, user: LastUser): void {
  const buffer = piece.buffer as HandedOver
  if (buffer[handedTo] === user && piece.length > 0 && buffer[handedOver] === piece.byteOffset + piece.length) buffer.transfer(0)
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
