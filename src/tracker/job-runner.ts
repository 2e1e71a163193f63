import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { isAllocatedTo, type Pin } from '../domain/pin.ts'
import type { IpfsConnector, PinCallOptions } from '../ipfs/connector.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import type { Counter } from '../platform/metrics.ts'
import { noTracer, type Span, type Tracer } from '../platform/tracer.ts'
import type { StateStore } from '../state/state-store.ts'
import type { FailedUnpins } from './failed-unpins.ts'
import type { Job, JobEnding } from './job.ts'
import type { NodeHealth } from './node-health.ts'
import type { Operation } from './operation.ts'
import { isOrdinary, type OperationTable } from './operations.ts'
import { retryDelayMs, stalledLevel } from './slow-lane.ts'

export interface JobRunnerParts {
  readonly table: OperationTable
  readonly health: NodeHealth
  readonly pinset: StateStore
  readonly ipfs: IpfsConnector
  readonly self: PeerId
  readonly platform: Platform
  /** The IPFS node has confirmed the pin. */
  readonly pinned: (pin: Pin) => void
  readonly failedUnpins: Pick<FailedUnpins, 'add' | 'delete'>
}

/** What became of an operation: `moot` when the pinset no longer asks for it, `alone` when it does not fit a batch. */
type Outcome = { readonly result: 'done', readonly pin?: Pin } | { readonly result: 'moot' | 'alone' } | { readonly result: 'failed', readonly error: ClusterError }

const moot: Outcome = { result: 'moot' }
const cancelled: Outcome = { result: 'failed', error: new ClusterError('CANCELLED', 'the operation was interrupted') }

/** Does jobs at the IPFS node and enters the outcome of each operation in the table. */
export class JobRunner {
  readonly #parts: JobRunnerParts
  readonly #logger: Logger
  readonly #tracer: Tracer
  readonly #pinsAdded: Counter
  readonly #pinErrors: Counter

  constructor (parts: JobRunnerParts) {
    this.#parts = parts
    const { loggers, metrics, tracer = noTracer } = parts.platform
    this.#tracer = tracer
    this.#logger = loggers.component('pintracker')
    this.#pinsAdded = metrics.counter('ipfscluster_pins_pin_add', 'Total number of IPFS pin requests')
    this.#pinErrors = metrics.counter('ipfscluster_pins_pin_add_errors', 'Total number of failed pin requests')
  }

  /** Never rejects: whatever goes wrong is an outcome of the operations. */
  async run (job: Job): Promise<void> {
    const { table } = this.#parts
    const span = this.#spanOf(job)
    let outcomes: Outcome[]
    try {
      outcomes = await span.within(() => job.kind === 'pin' ? this.#pin(job) : this.#unpin(job))
    } catch (error) {
      const failed: Outcome = { result: 'failed', error: asClusterError(error) }
      outcomes = job.operations.map(() => failed)
    }
    span.end(outcomes.find(outcome => outcome.result === 'failed')?.error)
    for (const operation of job.operations) table.release(operation)
    // Backwards, so that those that go back to the head of their queue stand there in order.
    for (let i = job.operations.length - 1; i >= 0; i--) {
      const operation = job.operations[i] as Operation
      if (table.isCurrent(operation)) this.#conclude(job, operation, outcomes[i] ?? moot)
    }
  }

  #spanOf ({ kind, operations }: Job): Span {
    const [first] = operations
    return this.#tracer.span(`tracker/stateless/${kind}`, {
      kind: 'internal',
      // Whoever asked for it has his answer.
      isRoot: true,
      attributes: operations.length === 1 && first !== undefined ? { cid: first.cid, attempts: first.attempts } : { operations: operations.length },
    })
  }

  async #pin (job: Job): Promise<Outcome[]> {
    const { ipfs } = this.#parts
    const pins = await this.#pinsOf(job)
    if (job.signal.aborted) return pins.map(pin => pin === undefined ? moot : cancelled)
    const outcomes: Outcome[] = pins.map(pin => pin === undefined ? moot : { result: 'alone' })
    const chosen: Pin[] = []
    const places: number[] = []
    for (const [place, pin] of pins.entries()) {
      if (pin === undefined || (job.isBatch && !isOrdinary(pin))) continue
      chosen.push(pin)
      places.push(place)
    }
    const [first] = chosen
    if (first === undefined) return outcomes
    this.#pinsAdded.add(chosen.length)
    const options = { signal: job.signal, onProgress: (blocks: number) => { this.#progressed(job, blocks) } }
    const errors: ReadonlyArray<ClusterError | undefined> = await (chosen.length === 1 ? this.#pinOne(first, options).then(() => [undefined]) : ipfs.pinMany(chosen, options))
      .catch((error: unknown) => chosen.map(() => asClusterError(error)))
    for (const [at, pin] of chosen.entries()) outcomes[places[at] as number] = outcomeOf(errors[at], pin)
    return outcomes
  }

  /**
   * A node refuses a direct pin of what it has pinned recursively, as when an unpin in between did not
   * reach it. It holds what is wanted and more, and the statuses tell it so.
   */
  async #pinOne (pin: Pin, options: PinCallOptions): Promise<void> {
    const { ipfs } = this.#parts
    try {
      await ipfs.pin(pin, options)
    } catch (error) {
      const isRefusal = error instanceof ClusterError && error.code === 'IPFS_ANSWER'
      if (!isRefusal || pin.maxDepth !== 0 || await ipfs.pinStatus(pin.cid, options) !== 'recursive') throw error
    }
  }

  /** The pins of a job, those not kept in memory from the pinset; undefined where it has changed its mind. */
  async #pinsOf (job: Job): Promise<Array<Pin | undefined>> {
    const { table, pinset, self } = this.#parts
    const missing = job.operations.filter(operation => operation.detail?.pin === undefined)
    const read = missing.length === 0 ? [] : await pinset.getMany(missing.map(operation => operation.cid))
    const found = new Map(missing.map((operation, i) => [operation, read[i]]))
    return job.operations.map(operation => {
      if (!table.isCurrent(operation)) return undefined
      const stored = operation.detail?.pin ?? found.get(operation)
      if (stored === undefined || stored.type === 'meta-pin' || !isAllocatedTo(stored, self)) return undefined
      return table.hold(operation, stored)
    })
  }

  async #unpin (job: Job): Promise<Outcome[]> {
    const { ipfs } = this.#parts
    const [only] = job.operations
    if (only !== undefined && !job.isBatch) {
      await ipfs.unpin(only.cid, { signal: job.signal })
      return [{ result: 'done' }]
    }
    const errors = await ipfs.unpinMany(job.operations.map(operation => operation.cid), { signal: job.signal })
    return job.operations.map((_, i) => outcomeOf(errors[i], undefined))
  }

  #progressed (job: Job, blocks: number): void {
    job.progressed(blocks, this.#parts.platform.clock.monotonic())
    this.#answered()
  }

  #answered (): void {
    const { health, table } = this.#parts
    if (!health.isDown) return
    health.answered()
    table.requeueParked()
  }

  #conclude (job: Job, operation: Operation, outcome: Outcome): void {
    const { table } = this.#parts
    switch (outcome.result) {
      case 'done':
        this.#answered()
        table.succeed(operation)
        this.#parts.failedUnpins.delete(operation.cid)
        if (outcome.pin !== undefined) this.#parts.pinned(outcome.pin)
        return
      case 'moot':
        table.succeed(operation)
        return
      case 'alone':
        operation.isAlone = true
        table.giveBack(operation, 'tail')
        return
      case 'failed':
        this.#failed(job, operation, outcome.error)
    }
  }

  #failed (job: Job, operation: Operation, error: ClusterError): void {
    const { table, health, platform } = this.#parts
    if (operation.kind === 'remote' && error.code === 'UNSUPPORTED') {
      // With unpinning disabled that is so for all that others hold: to keep and try it again would be for nothing.
      table.succeed(operation)
      return
    }
    if (job.ending !== undefined && error.code !== 'IPFS_ANSWER') {
      this.#giveBack(job, operation, job.ending)
      return
    }
    const now = platform.clock.monotonic()
    const isStalledPin = error.code === 'IPFS_STALLED' && job.kind === 'pin'
    if (error.code === 'IPFS_UNREACHABLE') health.failed(job.startedAt, now)
    else if (error.code === 'IPFS_ANSWER' || isStalledPin) this.#answered()

    if (job.isBatch && error.code === 'IPFS_UNREACHABLE') {
      table.giveBack(operation, 'head')
    } else if (job.isBatch && isStalledPin) {
      this.#giveBack(job, operation, job.giveUp(now))
    } else if (isStalledPin) {
      operation.level = Math.max(stalledLevel, operation.level)
      operation.isAlone = true
      this.#fail(operation, error, { retryAt: now + retryDelayMs(operation.attempts, platform.random) })
    } else {
      this.#fail(operation, error, error.code === 'IPFS_UNREACHABLE' ? 'parked' : 'failed')
    }
  }

  #fail (operation: Operation, error: ClusterError, after: Parameters<OperationTable['fail']>[2]): void {
    this.#logger.warn({ cid: operation.cid, operation: operation.kind, attempts: operation.attempts }, errorText(error))
    if (operation.kind === 'pin') this.#pinErrors.add(1)
    // What the configuration does not allow will not be allowed by another try.
    else if (after === 'failed' && error.code !== 'UNSUPPORTED') this.#parts.failedUnpins.add(operation.cid)
    const forgotten = this.#parts.table.fail(operation, error.message, after)
    if (forgotten !== undefined && forgotten.kind !== 'pin') {
      this.#logger.warn({ cid: forgotten.cid }, 'too many unpins have failed: this one is forgotten and stays on the IPFS node. Raise max_pin_queue_size, or unpin it there')
    }
  }

  #giveBack (job: Job, operation: Operation, reason: JobEnding): void {
    const { table } = this.#parts
    if (reason === 'no_progress') {
      operation.level = job.isBatch ? job.level + 1 : Math.max(stalledLevel, job.level + 1)
      table.giveBack(operation, 'tail')
    } else if (reason === 'too_long') {
      operation.isAlone = true
      table.giveBack(operation, 'tail')
    } else {
      table.giveBack(operation, 'head')
    }
  }
}

function outcomeOf (error: ClusterError | undefined, pin: Pin | undefined): Outcome {
  if (error !== undefined) return { result: 'failed', error }
  return pin === undefined ? { result: 'done' } : { result: 'done', pin }
}

function asClusterError (error: unknown): ClusterError {
  return error instanceof ClusterError ? error : new ClusterError('INTERNAL', errorText(error), { cause: error })
}
