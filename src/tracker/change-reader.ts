import { AssertionError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { isAllocatedTo } from '../domain/pin.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { ChangeLog, PinsetChange } from '../state/changes.ts'
import type { OperationTable } from './operations.ts'

export interface ChangeReaderParts {
  readonly changes: ChangeLog
  readonly table: OperationTable
  readonly self: PeerId
  readonly platform: Platform
  /** Called when operations were queued. */
  readonly queued: () => void
}

/** Changes that become operations before other work gets a turn: about a millisecond. */
const changesPerTurn = 512
/** Pause after the log could not be read. */
const firstPauseMs = 1_000
const longestPauseMs = 30_000

/** Turns the changes of the pinset into operations, and tells the log up to where they are handled. */
export class ChangeReader {
  readonly #parts: ChangeReaderParts
  readonly #stopping = new AbortController()
  #acknowledged = 0
  #loop: Promise<void> | undefined

  constructor (parts: ChangeReaderParts) {
    this.#parts = parts
  }

  start (): void {
    this.#loop = this.#read(this.#stopping.signal)
  }

  async stop (): Promise<void> {
    this.#stopping.abort()
    await this.#loop
    this.acknowledge()
  }

  /** To be called when operations have ended. */
  acknowledge (): void {
    const { handledUpTo } = this.#parts.table.window
    if (handledUpTo <= this.#acknowledged) return
    this.#acknowledged = handledUpTo
    this.#parts.changes.acknowledge(handledUpTo)
  }

  async #read (signal: AbortSignal): Promise<void> {
    const { changes, platform } = this.#parts
    let pauseMs = firstPauseMs
    while (!signal.aborted) {
      try {
        for await (const batch of changes.read({ signal })) {
          await this.#take(batch, signal)
          pauseMs = firstPauseMs
        }
      } catch (error) {
        if (error instanceof AssertionError) throw error
        if (!signal.aborted) platform.loggers.component('pintracker').error(`the changes of the pinset could not be read, next try in ${pauseMs / 1_000} s: ${errorText(error)}`)
      }
      await sleep(platform.clock, pauseMs, signal).catch(() => {})
      pauseMs = Math.min(longestPauseMs, pauseMs * 2)
    }
  }

  async #take (batch: readonly PinsetChange[], signal: AbortSignal): Promise<void> {
    const { platform, queued } = this.#parts
    for (let at = 0; at < batch.length && !signal.aborted; at += changesPerTurn) {
      for (const change of batch.slice(at, at + changesPerTurn)) this.#apply(change)
      queued()
      this.acknowledge()
      await new Promise<void>(resolve => { platform.clock.soon(resolve) })
    }
  }

  #apply ({ cid, pin, sequence }: PinsetChange): void {
    const { table, self } = this.#parts
    if (pin === undefined) table.untrack(cid, sequence)
    // Nothing is pinned for a meta pin: its shards have pins of their own.
    else if (pin.type === 'meta-pin') table.pass(sequence)
    else if (isAllocatedTo(pin, self)) table.track(pin, sequence)
    else table.trackRemote(cid, sequence)
  }
}
