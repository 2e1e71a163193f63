import type { IpfsConnector } from '../ipfs/connector.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { BatchSize, quickBatchMs, quickRequests } from './batch-size.ts'
import { Job } from './job.ts'
import type { JobRunner } from './job-runner.ts'
import type { NodeHealth } from './node-health.ts'
import type { Operation } from './operation.ts'
import type { OperationQueue } from './operation-queue.ts'
import type { OperationTable } from './operations.ts'
import { RoomSeekers } from './room-seekers.ts'
import { batchTimeLimitMs, batchTimeLimitWithFreeSlotsMs, maxBatch, maxBatchOf, patienceMs, slowShare, stalledLevel } from './slow-lane.ts'

export interface SchedulerParts {
  readonly table: OperationTable
  readonly health: NodeHealth
  readonly runner: JobRunner
  readonly ipfs: IpfsConnector
  readonly platform: Platform
  /** Requests to pin that may go on at once. */
  readonly slots: number
  /** Called after operations have ended or changed places. */
  readonly changed: () => void
}

/** Requests to unpin that may go on at once: they carry many each, and one that hangs must not stop all. */
const unpinSlots = 2
/** A node that takes longer to tell its own ID is as good as down. */
const probeTimeoutMs = 10_000

/** Gives slots to operations: who next, with whom, and who has had a slot long enough. */
export class Scheduler {
  readonly #parts: SchedulerParts
  readonly #share: number
  readonly #batchSize = new BatchSize()
  readonly #pinJobs = new Set<Job>()
  readonly #unpinJobs = new Set<Job>()
  readonly #jobOf = new Map<Operation, Job>()
  readonly #seekers = new RoomSeekers()
  readonly #running = new Set<Promise<void>>()
  #cancelTimer: (() => void) | undefined
  #probe: AbortController | undefined
  #isStalledTurn = false
  #state: 'new' | 'running' | 'stopped' = 'new'

  constructor (parts: SchedulerParts) {
    this.#parts = parts
    this.#share = slowShare(parts.slots)
  }

  start (): void {
    this.#state = 'running'
    this.wake()
  }

  /** Ends what goes on at the IPFS node; resolves when nothing is left there. */
  async stop (): Promise<void> {
    this.#state = 'stopped'
    this.#cancelTimer?.()
    this.#probe?.abort()
    for (const job of [...this.#pinJobs, ...this.#unpinJobs]) job.end('stopping')
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** To be called when operations were queued. */
  wake (): void {
    if (this.#state !== 'running') return
    const now = this.#parts.platform.clock.monotonic()
    this.#parts.table.queueDueRetries()
    if (this.#parts.health.isDown) {
      this.#probeNode(now)
    } else {
      this.#startUnpins(now)
      this.#startPins(now)
    }
    this.#endOverdue(now)
    this.#setTimer(now)
    this.#seekers.tell()
  }

  /** Nobody wants the operation any more. An unpin goes on: what comes next for the CID waits for its end. */
  superseded (operation: Operation): void {
    const job = this.#jobOf.get(operation)
    if (job === undefined) return
    job.wanted--
    if (job.kind === 'pin' && job.wanted === 0) job.end('superseded')
  }

  /** Resolves when fewer than `below` ordinary pins wait. */
  room (below: number, signal: AbortSignal): Promise<void> {
    return this.#seekers.wait(() => this.#parts.table.queues.ordinary.size < below, signal)
  }

  /** Resolves when the queues of unpins are not more than half full. */
  roomToUnpin (signal: AbortSignal): Promise<void> {
    const { unpins, remotes } = this.#parts.table.queues
    return this.#seekers.wait(() => Math.max(unpins.size, remotes.size) <= unpins.capacity / 2, signal)
  }

  get #ordinaryWaiting (): number { return this.#parts.table.queues.priority.size + this.#parts.table.queues.ordinary.size }
  get #slowWaiting (): number { return this.#parts.table.queues.suspects.size + this.#parts.table.queues.stalled.size }
  get #slowJobs (): number { return [...this.#pinJobs].filter(job => job.isSlow).length }

  get #somethingNeedsNode (): boolean {
    const { unpins, remotes, parked } = this.#parts.table.queues
    return this.#ordinaryWaiting + this.#slowWaiting + unpins.size + remotes.size + parked.size > 0
  }

  #patienceMs (job: Job): number {
    return patienceMs(job.level, job.operations.length, (this.#ordinaryWaiting + this.#slowWaiting) / this.#parts.slots)
  }

  #timeLimitMs (job: Job): number {
    return job.level === 0 && this.#pinJobs.size < this.#parts.slots ? batchTimeLimitWithFreeSlotsMs : batchTimeLimitMs
  }

  #startUnpins (now: number): void {
    const { unpins, remotes } = this.#parts.table.queues
    while (this.#unpinJobs.size < unpinSlots) {
      const queue = unpins.size > 0 ? unpins : remotes
      if (queue.size === 0) return
      const operations: Operation[] = []
      while (operations.length < maxBatch && queue.size > 0) operations.push(queue.take() as Operation)
      this.#begin(new Job('unpin', operations, false, now))
    }
  }

  #startPins (now: number): void {
    const { slots } = this.#parts
    while (this.#pinJobs.size < slots) {
      const waiting = this.#ordinaryWaiting
      const isSlowTurn = this.#slowWaiting > 0 && (waiting === 0 || this.#slowJobs < this.#share)
      if (!isSlowTurn && (waiting === 0 || this.#quickBatchUntil(now) !== undefined)) return
      this.#begin(new Job('pin', isSlowTurn ? this.#takeSlow() : this.#takeOrdinary(waiting), isSlowTurn, now))
    }
  }

  /** The queue that the next new pin comes from. */
  #nextOrdinary (): OperationQueue {
    const { priority, ordinary } = this.#parts.table.queues
    return priority.size > 0 ? priority : ordinary
  }

  #takeOrdinary (waiting: number): Operation[] {
    return takeTogether(() => this.#nextOrdinary(), this.#batchSize.next(waiting, this.#parts.slots))
  }

  /** Until when new pins gather for one of the quick batches under way to end; undefined when they need not wait. */
  #quickBatchUntil (now: number): number | undefined {
    const { slots } = this.#parts
    if (this.#nextOrdinary().first?.isAlone !== false || !this.#batchSize.isEnough(this.#ordinaryWaiting, slots)) return undefined
    let quick = 0
    let until = Infinity
    for (const job of this.#pinJobs) {
      const quickUntil = job.startedAt + quickBatchMs(job.operations.length)
      if (job.level > 0 || job.isAlone || quickUntil <= now) continue
      quick++
      until = Math.min(until, quickUntil)
    }
    return quick < quickRequests ? undefined : until
  }

  /** By turns from those that may only have been in bad company and from those that hang for sure. */
  #takeSlow (): Operation[] {
    const { suspects, stalled } = this.#parts.table.queues
    this.#isStalledTurn = !this.#isStalledTurn
    const queue = stalled.size > 0 && (this.#isStalledTurn || suspects.size === 0) ? stalled : suspects
    return takeTogether(() => queue, Math.min(maxBatchOf(queue.first?.level ?? 0), Math.ceil(queue.size / this.#parts.slots)))
  }

  #begin (job: Job): void {
    const { table, runner } = this.#parts
    for (const operation of job.operations) {
      table.start(operation)
      this.#jobOf.set(operation, job)
    }
    const jobs = job.kind === 'pin' ? this.#pinJobs : this.#unpinJobs
    jobs.add(job)
    this.#run(runner.run(job).then(() => {
      jobs.delete(job)
      for (const operation of job.operations) this.#jobOf.delete(operation)
      if (job.kind === 'pin' && job.level === 0) this.#learn(job)
      this.#parts.changed()
      this.wake()
    }))
  }

  #learn (job: Job): void {
    const ending = job.ending ?? job.gaveUp
    if (ending === 'too_long') this.#batchSize.tookTooLong(job.operations.length)
    else if (ending === 'no_progress') this.#batchSize.hung()
    else if (ending === undefined) this.#batchSize.finished(job.operations.length, this.#parts.platform.clock.monotonic() - job.startedAt)
  }

  #run (work: Promise<void>): void {
    const running = work.finally(() => { this.#running.delete(running) })
    this.#running.add(running)
  }

  /** Asks a node that is down whether it is back; if it is not, one operation is tried so that it shows the error. */
  #probeNode (now: number): void {
    const { health, ipfs, platform, table } = this.#parts
    if (this.#probe !== undefined || now < health.nextAt || !this.#somethingNeedsNode) return
    const probe = this.#probe = new AbortController()
    const cancelLimit = platform.clock.after(probeTimeoutMs, () => { probe.abort() })
    this.#run(ipfs.id({ signal: probe.signal }).then(() => true, () => false).then(isBack => {
      cancelLimit()
      this.#probe = undefined
      if (this.#state !== 'running') return
      if (isBack) {
        health.answered()
        table.requeueParked()
      } else {
        health.failed(now, platform.clock.monotonic())
        this.#tryOne()
      }
      this.wake()
    }))
  }

  #tryOne (): void {
    const { platform, slots, table } = this.#parts
    const now = platform.clock.monotonic()
    for (const queue of [table.queues.priority, table.queues.ordinary, table.queues.suspects, table.queues.stalled]) {
      if (queue.size === 0 || this.#pinJobs.size >= slots) continue
      this.#begin(new Job('pin', [queue.take() as Operation], queue === table.queues.suspects || queue === table.queues.stalled, now))
      return
    }
    for (const queue of [table.queues.unpins, table.queues.remotes]) {
      if (queue.size === 0 || this.#unpinJobs.size >= unpinSlots) continue
      this.#begin(new Job('unpin', [queue.take() as Operation], false, now))
      return
    }
  }

  /** Takes slots back from jobs that have shown no progress for too long. */
  #endOverdue (now: number): void {
    const { slots, table } = this.#parts
    let ending = 0
    for (const job of this.#pinJobs) {
      if (job.isBatch && now - job.startedAt >= this.#timeLimitMs(job)) job.end('too_long')
      else if (job.isBatch && now - job.lastProgressAt >= this.#patienceMs(job)) job.end('no_progress')
      if (job.ending !== undefined) ending++
    }
    if (this.#pinJobs.size < slots) return
    const waiting = this.#ordinaryWaiting
    for (const job of this.#pinJobs) {
      if (ending >= waiting + this.#slowWaiting) break
      if (job.ending !== undefined || now - job.lastProgressAt < this.#patienceMs(job)) continue
      job.end('no_progress')
      ending++
    }
    ending = this.#preempt(job => job.isSlow, waiting, ending)
    this.#preempt(job => job.isSlow && job.level >= stalledLevel, waiting + table.queues.suspects.size, ending)
  }

  /** Ends those that go first, the longest without progress first, until only the slow lane's share is left or all that wait get a slot. */
  #preempt (goesFirst: (job: Job) => boolean, waiting: number, ending: number): number {
    const jobs = [...this.#pinJobs].filter(job => job.ending === undefined && goesFirst(job)).toSorted((a, b) => a.lastProgressAt - b.lastProgressAt)
    const endings = Math.max(0, Math.min(jobs.length - this.#share, waiting - ending))
    for (const job of jobs.slice(0, endings)) job.end('preempted')
    return ending + endings
  }

  #setTimer (now: number): void {
    const { clock } = this.#parts.platform
    const { health, slots, table } = this.#parts
    const moments = [table.queues.retries.nextAt() ?? Infinity]
    if (health.isDown && this.#probe === undefined && this.#somethingNeedsNode) moments.push(health.nextAt)
    const othersWait = this.#pinJobs.size >= slots && this.#ordinaryWaiting + this.#slowWaiting > 0
    for (const job of this.#pinJobs) {
      if (job.ending !== undefined) continue
      if (job.isBatch) moments.push(job.startedAt + this.#timeLimitMs(job))
      if (job.isBatch || othersWait) moments.push(job.lastProgressAt + this.#patienceMs(job))
    }
    if (this.#pinJobs.size < slots && this.#ordinaryWaiting > 0) moments.push(this.#quickBatchUntil(now) ?? Infinity)
    // What is due already waits for the end of a job, which wakes the scheduler anyway.
    const at = Math.min(...moments.filter(moment => moment > now))
    this.#cancelTimer?.()
    this.#cancelTimer = at === Infinity ? undefined : clock.after(at - now, () => { this.wake() })
  }
}

/** The first operation, and those behind it that may be pinned in one request with it. */
function takeTogether (next: () => OperationQueue, limit: number): Operation[] {
  const first = next().take() as Operation
  const together = [first]
  while (!first.isAlone && together.length < limit) {
    const { first: candidate } = next()
    if (candidate === undefined || candidate.isAlone || candidate.level !== first.level) break
    together.push(next().take() as Operation)
  }
  return together
}
