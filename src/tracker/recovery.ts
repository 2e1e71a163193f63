import type { Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { isAllocatedTo, type Pin } from '../domain/pin.ts'
import { TrackerStatus, type PinInfo } from '../domain/status.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Clock } from '../platform/clock.ts'
import type { StateStore } from '../state/state-store.ts'
import { queueFullText, type OperationTable } from './operations.ts'
import type { Operation } from './operation.ts'
import { infoOfCid, infoOfOperation, infoOfPin, unexpectedlyUnpinnedText, type Teller } from './pin-info.ts'
import type { Scheduler } from './scheduler.ts'
import type { StatusListing } from './status-listing.ts'
import type { RecoverAllOptions } from './tracker.ts'

export interface RecoveryParts {
  readonly table: OperationTable
  readonly pinset: StateStore
  readonly ipfs: IpfsConnector
  readonly listing: StatusListing
  readonly scheduler: Scheduler
  readonly teller: Teller
  readonly clock: Clock
  /** Aborted when the tracker stops. */
  readonly stopping: AbortSignal
}

/** Pins that a patient recovery of everything lets wait at once, so that others need not wait long behind them. */
const maxRecovering = 16_384
/** Room that the queue keeps for the statuses of one step of the list. */
const roomForStep = 1_024
const recoverable = TrackerStatus.pinError | TrackerStatus.unpinError | TrackerStatus.unexpectedlyUnpinned

/** The status of single CIDs, and another try for what failed or went missing (spec/components.md 5.3, 5.4). */
export class Recovery {
  readonly #parts: RecoveryParts

  /** With more ordinary pins waiting there is no room for another step of the list. */
  readonly #mostWaiting: number

  constructor (parts: RecoveryParts) {
    this.#parts = parts
    this.#mostWaiting = Math.max(1, parts.table.queues.ordinary.capacity - roomForStep)
  }

  async status (cid: Cid, options: CallOptions): Promise<PinInfo> {
    const { table, pinset, ipfs, teller, clock } = this.#parts
    const operation = table.get(cid)
    if (operation !== undefined && operation.kind !== 'remote') return this.#infoOf(operation)
    let pin: Pin | undefined
    try {
      pin = await pinset.get(cid)
    } catch (error) {
      return infoOfCid(cid, TrackerStatus.clusterError, errorText(error), clock.now(), teller)
    }
    const begun = table.get(cid)
    if (begun !== undefined && begun.kind !== 'remote') return this.#infoOf(begun)
    if (pin === undefined) return infoOfCid(cid, TrackerStatus.unpinned, '', clock.now(), teller)
    if (pin.type === 'meta-pin') return infoOfPin(pin, TrackerStatus.sharded, '', teller.self, teller.identity())
    if (!isAllocatedTo(pin, teller.self)) return infoOfPin(pin, TrackerStatus.remote, '', teller.self, teller.identity())
    try {
      const type = await ipfs.pinStatus(cid, options)
      const begunMeanwhile = table.get(cid)
      if (begunMeanwhile !== undefined) return await this.#infoOf(begunMeanwhile)
      const isPinned = type === 'recursive' || (type === 'direct' && pin.maxDepth === 0)
      if (isPinned) return infoOfPin(pin, TrackerStatus.pinned, '', teller.self, teller.identity())
      return infoOfPin(pin, TrackerStatus.unexpectedlyUnpinned, unexpectedlyUnpinnedText, teller.self, teller.identity())
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      return infoOfPin(pin, TrackerStatus.clusterError, errorText(error), teller.self, teller.identity())
    }
  }

  /** @throws ClusterError `QUEUE_FULL` */
  async recover (cid: Cid, options: CallOptions): Promise<PinInfo> {
    const info = await this.status(cid, options)
    if ((info.status & recoverable) === 0) return info
    const recovered = await this.#recover([info], options)
    const [after] = recovered
    this.#parts.scheduler.wake()
    if (after === undefined) return this.status(cid, options)
    if (after.error === queueFullText) throw new ClusterError('QUEUE_FULL', queueFullText)
    return after
  }

  async * recoverAll ({ waitsForRoom = false, ...options }: RecoverAllOptions): AsyncGenerator<PinInfo> {
    const { listing, scheduler, stopping, table } = this.#parts
    table.recoverRemotes()
    scheduler.wake()
    const signal = options.signal === undefined ? stopping : AbortSignal.any([options.signal, stopping])
    for await (const infos of listing.all(recoverable, { signal })) {
      if (waitsForRoom) await scheduler.room(Math.min(maxRecovering, this.#mostWaiting), signal)
      else if (table.queues.ordinary.size >= this.#mostWaiting) throw new ClusterError('QUEUE_FULL', queueFullText)
      const recovered = await this.#recover(infos, { signal })
      scheduler.wake()
      yield * recovered
    }
  }

  /** Queues those again that still need it, and tells how they are then, before any has its turn. */
  async #recover (infos: readonly PinInfo[], options: CallOptions): Promise<PinInfo[]> {
    const { table, pinset, teller } = this.#parts
    const lost = infos.filter(info => info.status !== TrackerStatus.unpinError).map(info => info.cid)
    const pins = lost.length === 0 ? [] : await pinset.getMany(lost)
    const pinOf = new Map(lost.map((cid, i) => [cid, pins[i]]))
    const recovered: PinInfo[] = []
    for (const { cid, status } of infos) {
      const before = table.get(cid)
      if (before !== undefined && before.status !== TrackerStatus.pinError && before.status !== TrackerStatus.unpinError) continue
      const pin = pinOf.get(cid)
      if (status !== TrackerStatus.unpinError && pin === undefined) {
        recovered.push(await this.status(cid, options))
        continue
      }
      if (pin !== undefined && !isAllocatedTo(pin, teller.self)) continue
      const operation = table.recover(cid, pin)
      if (operation !== undefined) recovered.push(infoOfOperation(operation, pin, table.timestamp(operation), teller.self, teller.identity()))
    }
    return recovered
  }

  async #infoOf (operation: Operation): Promise<PinInfo> {
    const { table, pinset, teller } = this.#parts
    const pin = operation.detail?.pin ?? (operation.kind === 'unpin' ? undefined : await pinset.get(operation.cid).catch(() => undefined))
    return infoOfOperation(operation, pin, table.timestamp(operation), teller.self, teller.identity())
  }
}
