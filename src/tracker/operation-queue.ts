import type { Operation } from './operation.ts'

/**
 * Operations in order. Add, take and remove from the middle are O(1) and need no memory: the
 * links are in the operations, each of which stands in one queue at most.
 */
export class OperationQueue {
  /** Not 0; by it an operation knows where it stands. */
  readonly number: number
  /** A queue that has `capacity` operations is full; what was in before may come back to its head all the same. */
  readonly capacity: number
  #first: Operation | undefined
  #last: Operation | undefined
  #size = 0

  constructor (number: number, capacity: number) {
    this.number = number
    this.capacity = capacity
  }

  get size (): number { return this.#size }
  get isFull (): boolean { return this.#size >= this.capacity }
  get first (): Operation | undefined { return this.#first }

  append (operation: Operation): void {
    operation.queue = this.number
    operation.previous = this.#last
    if (this.#last === undefined) this.#first = operation
    else this.#last.next = operation
    this.#last = operation
    this.#size++
  }

  prepend (operation: Operation): void {
    operation.queue = this.number
    operation.next = this.#first
    if (this.#first === undefined) this.#last = operation
    else this.#first.previous = operation
    this.#first = operation
    this.#size++
  }

  take (): Operation | undefined {
    const first = this.#first
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Takes out an operation that stands in this queue. */
  remove (operation: Operation): void {
    const { next, previous } = operation
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    operation.queue = 0
    operation.next = undefined
    operation.previous = undefined
    this.#size--
  }
}
