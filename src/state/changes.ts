import type { Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'

/** One change of the pinset, in the order in which this peer's state took it. */
export interface PinsetChange {
  /** Grows by one with each change; kept over restarts. */
  readonly sequence: number
  readonly cid: Cid
  /** The pin as it now stands; undefined when it was removed. */
  readonly pin: Pin | undefined
}

/**
 * The changes of the pinset as a log with one reader's cursor. The cursor is on disk: after a
 * restart the reader goes on where it had acknowledged.
 */
export interface ChangeLog {
  /** Changes after the acknowledged ones, first the stored, then live ones, in batches; ends with the signal. */
  read (options: { readonly signal: AbortSignal }): AsyncIterable<PinsetChange[]>
  /** All changes up to `sequence` need not be read again. Cheap: written to disk later. */
  acknowledge (sequence: number): void
}
