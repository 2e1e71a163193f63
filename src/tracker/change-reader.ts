import { AssertionError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { isAllocatedTo } from '../domain/pin.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { ChangeLog, PinsetChange } from '../state/changes.ts'
import type { OperationTable } from './operations.ts'
import type { OperationKind } from './transitions.ts'

export interface ChangeReaderParts {
  readonly changes: ChangeLog
  readonly table: OperationTable
  readonly self: PeerId
  readonly platform: Platform
  /** Called when operations were queued. */
  readonly queued: () => void
  /** Resolves when unpins can be queued again. */
  readonly roomToUnpin: (signal: AbortSignal) => Promise<void>
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
  /** The last change that became an operation. */
  #taken = 0
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
        let isFull = false
        for await (const batch of changes.read({ signal })) {
          isFull = await this.#take(batch, signal) === 'full'
          pauseMs = firstPauseMs
          if (isFull) break
        }
        if (isFull) {
          // The log holds nothing open meanwhile, and is read again from where it was acknowledged.
          await this.#parts.roomToUnpin(signal)
          continue
        }
      } catch (error) {
        if (error instanceof AssertionError) throw error
        if (!signal.aborted) platform.loggers.component('pintracker').error(`the changes of the pinset could not be read, next try in ${pauseMs / 1_000} s: ${errorText(error)}`)
      }
      await sleep(platform.clock, pauseMs, signal).catch(() => {})
      pauseMs = Math.min(longestPauseMs, pauseMs * 2)
    }
  }

  /** Stops where an unpin has no room: unlike a pin nothing would tell of it later, and it would stay on the IPFS node. */
  async #take (batch: readonly PinsetChange[], signal: AbortSignal): Promise<'taken' | 'full'> {
    const { platform, queued, table } = this.#parts
    for (let at = 0; at < batch.length && !signal.aborted; at += changesPerTurn) {
      let isFull = false
      for (const change of batch.slice(at, at + changesPerTurn)) {
        if (change.sequence <= this.#taken) continue
        const kind = this.#kindOf(change)
        isFull = (kind === 'unpin' && table.queues.unpins.isFull) || (kind === 'remote' && table.queues.remotes.isFull)
        if (isFull) break
        this.#apply(change, kind)
        this.#taken = change.sequence
      }
      queued()
      this.acknowledge()
      if (isFull) return 'full'
      await new Promise<void>(resolve => { platform.clock.soon(resolve) })
    }
    return 'taken'
  }

  #kindOf ({ pin }: PinsetChange): OperationKind {
    if (pin === undefined) return 'unpin'
    // The shards have pins of their own. The root may have had one before, and its unpin is not told where both came at once.
    if (pin.type === 'meta-pin') return 'remote'
    return isAllocatedTo(pin, this.#parts.self) ? 'pin' : 'remote'
  }

  #apply ({ cid, pin, sequence }: PinsetChange, kind: OperationKind): void {
    const { table } = this.#parts
    if (pin === undefined) table.untrack(cid, sequence)
    else if (kind === 'remote') table.trackRemote(cid, sequence)
    else table.track(pin, sequence)
  }
}
