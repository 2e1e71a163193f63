import { cidFromKey, cidKey, type Cid } from '../domain/cid.ts'
import { errorText } from '../domain/errors.ts'
import { isAllocatedTo } from '../domain/pin.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Store, StoreOperation } from '../platform/store.ts'
import type { StateStore } from '../state/state-store.ts'
import type { OperationTable } from './operations.ts'

const prefix = '/flotilla/unpins/'
const prefixEnd = '/flotilla/unpins0'
/** More are not noted: an operator who lets so many be has given them up. */
const maxNoted = 100_000
/** Noted unpins that are looked at together. */
const perStep = 1_000

export interface FailedUnpinsParts {
  /** Without one nothing is noted. */
  readonly store: Store | undefined
  readonly table: OperationTable
  readonly pinset: StateStore
  readonly self: PeerId
  readonly platform: Platform
}

/**
 * Unpins that the IPFS node has refused, noted on disk: the log of changes is done with them, and
 * after a restart nobody else would know what is to be taken off the node.
 */
export class FailedUnpins {
  readonly #parts: FailedUnpinsParts
  readonly #noted = new Set<Cid>()
  /** What is to be written, by CID: a note, or its end. */
  readonly #changes = new Map<Cid, StoreOperation>()
  #isFlushDue = false
  #writing: Promise<void> = Promise.resolve()

  constructor (parts: FailedUnpinsParts) {
    this.#parts = parts
    parts.store?.onOpenedAnew?.(() => { this.#writeAnew() })
  }

  /** Queues again what an earlier run has noted, unless this peer is to hold it now. Before the changes of the pinset are read: they are newer. */
  async restore (): Promise<void> {
    const { store, table, pinset, self, platform } = this.#parts
    if (store === undefined) return
    try {
      for await (const keys of store.keys({ gte: prefix, lt: prefixEnd, limit: maxNoted })) {
        for (let at = 0; at < keys.length; at += perStep) {
          const cids = keys.slice(at, at + perStep).map(key => cidFromKey(key.slice(prefix.length))).filter(cid => cid !== undefined)
          const pins = await pinset.getMany(cids)
          for (const [i, cid] of cids.entries()) {
            const pin = pins[i]
            this.#noted.add(cid)
            if (pin === undefined) table.untrack(cid, 0)
            // Of sharded content the shards have pins of their own: the root as a whole is still to go.
            else if (pin.type !== 'meta-pin' && isAllocatedTo(pin, self)) this.delete(cid)
            else table.trackRemote(cid, 0)
          }
        }
      }
    } catch (error) {
      platform.loggers.component('pintracker').error(`unpins that failed earlier are not known, and what they were for stays on the IPFS node: ${errorText(error)}`)
    }
  }

  /** Written before the log of changes forgets the unpin: its cursor goes to disk later. */
  add (cid: Cid): void {
    if (this.#noted.has(cid) || this.#noted.size >= maxNoted) return
    this.#noted.add(cid)
    this.#write(cid, noteOf(cid))
  }

  /** It is off the node, or to stay there. */
  delete (cid: Cid): void {
    if (this.#noted.delete(cid)) this.#write(cid, { type: 'del', key: keyOf(cid) })
  }

  /** Resolves when all is written. */
  async settled (): Promise<void> {
    this.#flush()
    await this.#writing
  }

  #write (cid: Cid, operation: StoreOperation): void {
    if (this.#parts.store === undefined) return
    this.#changes.set(cid, operation)
    this.#flushSoon()
  }

  #flushSoon (): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#parts.platform.clock.soon(() => { this.#flush() })
  }

  #flush (): void {
    this.#isFlushDue = false
    if (this.#changes.size === 0) return
    const changes = [...this.#changes]
    this.#changes.clear()
    this.#writing = this.#writing.then(() => this.#parts.store?.batch(changes.map(([, operation]) => operation), { sync: false })).catch(() => {
      // Written with the others when the store is open again, but for what has changed since.
      for (const [cid, operation] of changes) if (!this.#changes.has(cid)) this.#changes.set(cid, operation)
    })
  }

  /** The store may have lost notes, and the cursor that passes over their unpins is written again too. */
  #writeAnew (): void {
    for (const cid of this.#noted) this.#changes.set(cid, noteOf(cid))
    if (this.#changes.size > 0) this.#flushSoon()
  }
}

function keyOf (cid: Cid): string { return prefix + cidKey(cid) }
function noteOf (cid: Cid): StoreOperation { return { type: 'put', key: keyOf(cid), value: new Uint8Array(0) } }
