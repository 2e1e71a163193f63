import { OperationQueue } from './operation-queue.ts'
import type { Operation } from './operation.ts'
import { RetryTimes } from './retry-times.ts'
import { stalledLevel } from './slow-lane.ts'

export interface QueueSizes {
  /** Operations in one queue; more are refused. */
  readonly maxQueueSize: number
  /** The same for unpins; as many when left out. */
  readonly maxUnpinQueueSize?: number
}

/** Where operations wait, each in one queue at most. */
export class OperationQueues {
  readonly priority: OperationQueue
  readonly ordinary: OperationQueue
  /** Given back once: behind the ordinary ones. */
  readonly suspects: OperationQueue
  /** Known to hang, also alone: behind all others. */
  readonly stalled: OperationQueue
  readonly unpins: OperationQueue
  readonly remotes: OperationQueue
  /** Failed because the IPFS node did not answer: queued again as soon as it does. */
  readonly parked: OperationQueue
  /** Failed; only a recover brings them back. The oldest is forgotten when too many have failed. */
  readonly failed: OperationQueue
  readonly failedUnpins: OperationQueue
  readonly retries: RetryTimes
  /** By their numbers; none has number 0. */
  readonly #byNumber: Array<OperationQueue | undefined> = [undefined]

  constructor ({ maxQueueSize, maxUnpinQueueSize = maxQueueSize }: QueueSizes) {
    const queue = (capacity = maxQueueSize): OperationQueue => {
      const made = new OperationQueue(this.#byNumber.length, capacity)
      this.#byNumber.push(made)
      return made
    }
    this.priority = queue()
    this.ordinary = queue()
    this.suspects = queue()
    this.stalled = queue()
    this.unpins = queue(maxUnpinQueueSize)
    this.remotes = queue(maxUnpinQueueSize)
    this.parked = queue()
    this.failed = queue()
    this.failedUnpins = queue(maxUnpinQueueSize)
    this.retries = new RetryTimes(queue())
  }

  /** The queue in which the operation waits for its turn. */
  ofTurn (operation: Operation): OperationQueue {
    if (operation.kind === 'unpin') return this.unpins
    if (operation.kind === 'remote') return this.remotes
    if (operation.level > 0) return operation.level < stalledLevel ? this.suspects : this.stalled
    return operation.isPriority ? this.priority : this.ordinary
  }

  /** Keeps what failed; answers what had to leave for it. */
  keepFailed (operation: Operation): Operation | undefined {
    const queue = operation.kind === 'pin' ? this.failed : this.failedUnpins
    const forgotten = queue.isFull ? queue.take() : undefined
    queue.append(operation)
    return forgotten
  }

  /** Takes an operation out of the queue in which it stands, if it stands in one. */
  remove (operation: Operation): void { this.#byNumber[operation.queue]?.remove(operation) }
}
