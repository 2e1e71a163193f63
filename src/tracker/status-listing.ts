import { ClusterError } from '../domain/errors.ts'
import { matchesFilter, TrackerStatus, type PinInfo } from '../domain/status.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Clock } from '../platform/clock.ts'
import type { ListedPin, PinsetQuery, StateStore } from '../state/state-store.ts'
import type { IpfsPins, PinSnapshot } from './ipfs-pins.ts'
import type { Operation } from './operation.ts'
import type { OperationTable } from './operations.ts'
import { orderedOperations, orderKey, type OrderedOperation } from './ordered-operations.ts'
import { expectedStatus, infoOfOperation, infoOfPin, unexpectedlyUnpinnedText, type IpfsIdentity, type Teller } from './pin-info.ts'
import type { ListedStatus } from './tracker.ts'

export interface StatusListingParts {
  readonly table: OperationTable
  readonly pinset: StateStore
  readonly ipfsPins: IpfsPins
  readonly teller: Teller
  readonly clock: Clock
}

/** Statuses that only the pinset tells, not the operations in memory. */
const fromPinset = TrackerStatus.pinned | TrackerStatus.unexpectedlyUnpinned | TrackerStatus.sharded | TrackerStatus.remote
/** Of these, those that the IPFS node has to be asked for. */
const fromIpfs = TrackerStatus.pinned | TrackerStatus.unexpectedlyUnpinned

/** Statuses that are handed on at once when they come from memory. */
const infosPerStep = 256
/** Pins after which other work gets a turn, if the pinset has not waited for the disk itself. */
const pinsPerTurn = 4_096

/** The statuses of this peer, in the order of `compareCids`, at constant memory but for the IPFS node's pins. */
export class StatusListing {
  readonly #parts: StatusListingParts

  constructor (parts: StatusListingParts) {
    this.#parts = parts
  }

  /** @see PinTracker.statusAll */
  async * all (filter: TrackerStatus, options: CallOptions): AsyncGenerator<PinInfo[]> {
    if (!matchesFilter(fromPinset, filter)) {
      yield * this.#operations(filter, options)
      return
    }
    for await (const listed of this.listed(filter, options)) yield listed.map(({ info }) => info)
  }

  /** As {@link all} with a filter that the pinset has a say in, each status with its pin. */
  async * listed (filter: TrackerStatus, options: CallOptions): AsyncGenerator<ListedStatus[]> {
    const snapshot = matchesFilter(fromIpfs, filter) ? await this.#parts.ipfsPins.snapshot(options.signal) : undefined
    try {
      yield * this.#pinset(filter, snapshot, options)
      if (snapshot?.error !== undefined) throw snapshot.error
    } finally {
      snapshot?.release()
    }
  }

  async * #operations (filter: TrackerStatus, options: CallOptions): AsyncGenerator<PinInfo[]> {
    const { table, clock } = this.#parts
    const matching = await orderedOperations(table.values(), operation => matchesFilter(operation.status, filter), clock)
    for (let step: Operation[] = []; ;) {
      const next = matching.next()
      if (next.done !== true && table.isCurrent(next.value.operation)) step.push(next.value.operation)
      if (step.length < infosPerStep && next.done !== true) continue
      throwIfAborted(options)
      const infos = (await this.#infosOf(step)).filter(info => matchesFilter(info.status, filter))
      if (infos.length > 0) yield infos
      if (next.done === true) return
      step = []
      await turn(clock)
    }
  }

  /** The statuses of operations, with their pins from the pinset where they are not kept. */
  async #infosOf (operations: readonly Operation[]): Promise<PinInfo[]> {
    const { table, pinset, teller } = this.#parts
    const missing = operations.filter(operation => operation.kind !== 'unpin' && operation.detail?.pin === undefined)
    const pins = missing.length === 0 ? [] : await pinset.getMany(missing.map(operation => operation.cid))
    const found = new Map(missing.map((operation, i) => [operation, pins[i]]))
    const identity = teller.identity()
    return operations
      .filter(operation => table.isCurrent(operation))
      .map(operation => infoOfOperation(operation, operation.detail?.pin ?? found.get(operation), table.timestamp(operation), teller, identity))
  }

  /** The pinset merged with operations on CIDs that it no longer has. */
  async * #pinset (filter: TrackerStatus, snapshot: PinSnapshot | undefined, options: CallOptions): AsyncGenerator<ListedStatus[]> {
    const { clock, pinset, table, teller } = this.#parts
    const strays = await orderedOperations(table.values(), operation => operation.kind === 'unpin' && matchesFilter(operation.status, filter), clock)
    let stray = strays.next()
    let sinceTurn = 0
    for await (const pins of pinsOf(pinset, options.signal === undefined ? {} : { signal: options.signal })) {
      throwIfAborted(options)
      const infos: ListedStatus[] = []
      const identity = teller.identity()
      for (const listed of pins) {
        const { pin } = listed
        while (stray.done !== true) {
          const key = orderKey(pin.cid)
          if (stray.value.key > key) break
          if (stray.value.key < key) this.#addStray(stray.value, filter, identity, infos)
          stray = strays.next()
        }
        const info = this.#infoOf(listed, filter, snapshot, identity)
        if (info !== undefined) infos.push(info)
      }
      if (infos.length > 0) yield infos
      sinceTurn += pins.length
      if (sinceTurn >= pinsPerTurn) {
        sinceTurn = 0
        await turn(clock)
      }
    }
    while (stray.done !== true) {
      throwIfAborted(options)
      const infos: ListedStatus[] = []
      for (; stray.done !== true && infos.length < infosPerStep; stray = strays.next()) this.#addStray(stray.value, filter, teller.identity(), infos)
      if (infos.length > 0) yield infos
      await turn(clock)
    }
  }

  #addStray ({ operation }: OrderedOperation, filter: TrackerStatus, identity: IpfsIdentity, infos: ListedStatus[]): void {
    const { table, teller } = this.#parts
    if (!table.isCurrent(operation) || !matchesFilter(operation.status, filter)) return
    infos.push({ info: infoOfOperation(operation, undefined, table.timestamp(operation), teller, identity), pin: undefined, value: undefined, isExpected: false })
  }

  /** The status of one pin of the pinset, or undefined when it does not match. No waiting: this runs for every pin. */
  #infoOf ({ pin, value }: ListedPin, filter: TrackerStatus, snapshot: PinSnapshot | undefined, identity: IpfsIdentity): ListedStatus | undefined {
    const { table, teller } = this.#parts
    const operation = table.size === 0 ? undefined : table.get(pin.cid)
    if (operation !== undefined) {
      return matchesFilter(operation.status, filter) ? { info: infoOfOperation(operation, pin, table.timestamp(operation), teller, identity), pin, value, isExpected: false } : undefined
    }
    const expected = expectedStatus(pin, teller.self)
    let status = expected
    let error = ''
    if (expected !== TrackerStatus.pinned) {
      // The pinset alone says it.
    } else if (snapshot === undefined) {
      return undefined
    } else if (snapshot.has(pin)) {
      status = TrackerStatus.pinned
    } else if (snapshot.error !== undefined) {
      status = TrackerStatus.clusterError
      error = snapshot.error.message
    } else {
      status = TrackerStatus.unexpectedlyUnpinned
      error = unexpectedlyUnpinnedText
    }
    return matchesFilter(status, filter) ? { info: infoOfPin(pin, status, error, teller, identity), pin, value, isExpected: status === expected } : undefined
  }
}

/** The pins, with their bytes where the pinset gives them. */
async function * pinsOf (pinset: StateStore, query: PinsetQuery): AsyncGenerator<ListedPin[]> {
  if (pinset.listBoth !== undefined) return yield * pinset.listBoth(query)
  for await (const pins of pinset.list(query)) yield pins.map(pin => ({ pin, value: undefined }))
}

function throwIfAborted ({ signal }: CallOptions): void {
  if (signal?.aborted === true) throw new ClusterError('CANCELLED', 'the peer stops or the caller went away')
}

function turn (clock: Clock): Promise<void> {
  return new Promise(resolve => { clock.soon(resolve) })
}
