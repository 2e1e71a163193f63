import { MinHeap } from '../platform/min-heap.ts'
import type { Operation } from './operation.ts'
import type { OperationQueue } from './operation-queue.ts'

/** Dead entries that the heap may hold beside as many living ones before it is swept. */
const sweepFrom = 256

/** Failed operations that wait for the moment of their next try. */
export class RetryTimes {
  /** Tells which entries of the heap still stand: an operation may leave at any time. */
  readonly #waiting: OperationQueue
  readonly #byTime = new MinHeap<{ readonly at: number, readonly operation: Operation }>((a, b) => a.at < b.at)

  constructor (waiting: OperationQueue) {
    this.#waiting = waiting
  }

  get size (): number { return this.#waiting.size }
  get isFull (): boolean { return this.#waiting.isFull }

  /** `at`: milliseconds of the monotonic clock. */
  add (operation: Operation, at: number): void {
    const detail = operation.detail ??= { pin: undefined, error: '', retryAt: 0 }
    detail.retryAt = at
    this.#waiting.append(operation)
    this.#byTime.push({ at, operation })
    if (this.#byTime.size > 2 * this.#waiting.size + sweepFrom) this.#byTime.retain(entry => this.#stands(entry))
  }

  /** When the next one is due; undefined when none waits. */
  nextAt (): number | undefined {
    return this.#first()?.at
  }

  /** Takes one that is due out, or undefined. */
  takeDue (now: number): Operation | undefined {
    const first = this.#first()
    if (first === undefined || first.at > now) return undefined
    this.#byTime.pop()
    this.#waiting.remove(first.operation)
    return first.operation
  }

  #first (): { readonly at: number, readonly operation: Operation } | undefined {
    for (let entry = this.#byTime.peek(); entry !== undefined; entry = this.#byTime.peek()) {
      if (this.#stands(entry)) return entry
      this.#byTime.pop()
    }
    return undefined
  }

  #stands ({ at, operation }: { readonly at: number, readonly operation: Operation }): boolean {
    return operation.queue === this.#waiting.number && operation.detail?.retryAt === at
  }
}
