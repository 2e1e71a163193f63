import type { Pin } from '../domain/pin.ts'

/** The pinset of a peer that does not run: what `state export`, `import` and `cleanup` work on. */
export interface StateAccess {
  /** All pins, some hundred at a time, at constant memory. */
  pins (): AsyncIterable<Pin[]>
  /**
   * Puts `pins` in the place of what is there; resolves with their number when they are on disk.
   * When reading them fails, all stays as it was.
   */
  replace (pins: AsyncIterable<Pin[]>): Promise<number>
  /** Removes everything: the next start is like a first one. */
  clear (): Promise<void>
  close (): Promise<void>
}
