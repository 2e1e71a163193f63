import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import { matchesFilter, TrackerStatus, type PeerIdentity, type PinInfo } from '../domain/status.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Clock } from '../platform/clock.ts'
import { listedPin } from '../state/listed-pin.ts'
import type { ListedPin, PinsetQuery, StateStore } from '../state/state-store.ts'
import type { IpfsPins, PinSnapshot } from './ipfs-pins.ts'
import type { Operation } from './operation.ts'
import type { OperationTable } from './operations.ts'
import { orderedOperations, orderKey, type OrderedOperation } from './ordered-operations.ts'
import { infoOfOperation, infoOfPin, unexpectedlyUnpinnedText, type Teller } from './pin-info.ts'
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
      .map(operation => infoOfOperation(operation, operation.detail?.pin ?? found.get(operation), table.timestamp(operation), teller.self, identity))
  }

  /** The pinset merged with operations on CIDs that it no longer has. */
  async * #pinset (filter: TrackerStatus, snapshot: PinSnapshot | undefined, options: CallOptions): AsyncGenerator<ListedStatus[]> {
    const { clock, pinset, table, teller } = this.#parts
    const strays = await orderedOperations(table.values(), operation => operation.kind === 'unpin' && matchesFilter(operation.status, filter), clock)
    let stray = strays.next()
    let sinceTurn = 0
    for await (const pins of pinsOf(pinset, options.signal === undefined ? {} : { signal: options.signal })) {
      throwIfAborted(options)
      const statuses: ListedStatus[] = []
      const identity = teller.identity()
      for (const listed of pins) {
        while (stray.done !== true) {
          const key = orderKey(listed.cid)
          if (stray.value.key > key) break
          if (stray.value.key < key) this.#addStray(stray.value, filter, identity, statuses)
          stray = strays.next()
        }
        const status = this.#statusOf(listed, filter, snapshot, identity)
        if (status !== undefined) statuses.push(status)
      }
      if (statuses.length > 0) yield statuses
      sinceTurn += pins.length
      if (sinceTurn >= pinsPerTurn) {
        sinceTurn = 0
        await turn(clock)
      }
    }
    while (stray.done !== true) {
      throwIfAborted(options)
      const statuses: ListedStatus[] = []
      for (; stray.done !== true && statuses.length < infosPerStep; stray = strays.next()) this.#addStray(stray.value, filter, teller.identity(), statuses)
      if (statuses.length > 0) yield statuses
      await turn(clock)
    }
  }

  #addStray ({ operation }: OrderedOperation, filter: TrackerStatus, identity: PeerIdentity, statuses: ListedStatus[]): void {
    const { table, teller } = this.#parts
    if (!table.isCurrent(operation) || !matchesFilter(operation.status, filter)) return
    statuses.push({ cid: operation.cid, info: infoOfOperation(operation, undefined, table.timestamp(operation), teller.self, identity), pin: undefined, value: undefined, isExpected: false, identity })
  }

  /** The status of one pin of the pinset, or undefined when it does not match. No waiting: this runs for every pin. */
  #statusOf (listed: ListedPin, filter: TrackerStatus, snapshot: PinSnapshot | undefined, identity: PeerIdentity): ListedStatus | undefined {
    const { table, teller } = this.#parts
    const operation = table.size === 0 ? undefined : table.get(listed.cid)
    // Of what others hold the pinset says how, remote or sharded.
    if (operation !== undefined && operation.kind !== 'remote') {
      const { cid, pin, value } = listed
      return matchesFilter(operation.status, filter) ? { cid, info: infoOfOperation(operation, pin, table.timestamp(operation), teller.self, identity), pin, value, isExpected: false, identity } : undefined
    }
    const expected = listed.expectedStatus(teller.self)
    let status = expected
    let error = ''
    if (expected !== TrackerStatus.pinned) {
      // The pinset alone says it.
    } else if (snapshot === undefined) {
      return undefined
    } else if (isHeld(snapshot, listed)) {
      status = TrackerStatus.pinned
    } else if (snapshot.error !== undefined) {
      status = TrackerStatus.clusterError
      error = snapshot.error.message
    } else {
      status = TrackerStatus.unexpectedlyUnpinned
      error = unexpectedlyUnpinnedText
    }
    return matchesFilter(status, filter) ? new PinStatus(listed, status, error, status === expected, teller.self, identity) : undefined
  }
}

/** The status of a pin that nothing is done about. */
class PinStatus implements ListedStatus {
  readonly #listed: ListedPin
  readonly #status: TrackerStatus
  readonly #error: string
  readonly isExpected: boolean
  readonly #self: PeerId
  readonly identity: PeerIdentity

  constructor (listed: ListedPin, status: TrackerStatus, error: string, isExpected: boolean, self: PeerId, identity: PeerIdentity) {
    this.#listed = listed
    this.#status = status
    this.#error = error
    this.isExpected = isExpected
    this.#self = self
    this.identity = identity
  }

  get cid (): Cid { return this.#listed.cid }
  get pin (): Pin { return this.#listed.pin }
  get value (): Uint8Array | undefined { return this.#listed.value }
  get info (): PinInfo { return infoOfPin(this.pin, this.#status, this.#error, this.#self, this.identity) }
}

/** Recursively, or directly when no more is wanted. (The reference takes a recursive pin for a direct one, too.) */
function isHeld (snapshot: PinSnapshot, listed: ListedPin): boolean {
  return snapshot.has(listed.cid, 'recursive') || (listed.pin.maxDepth === 0 && snapshot.has(listed.cid, 'direct'))
}

/** The pins, with their bytes where the pinset gives them. */
async function * pinsOf (pinset: StateStore, query: PinsetQuery): AsyncGenerator<ListedPin[]> {
  if (pinset.listBoth !== undefined) return yield * pinset.listBoth(query)
  for await (const pins of pinset.list(query)) yield pins.map(listedPin)
}

function throwIfAborted ({ signal }: CallOptions): void {
  if (signal?.aborted === true) throw new ClusterError('CANCELLED', 'the peer stops or the caller went away')
}

function turn (clock: Clock): Promise<void> {
  return new Promise(resolve => { clock.soon(resolve) })
}
