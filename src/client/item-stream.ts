/** A value and the JSON that it was read from, as the peer sent it. */
export interface Received<T> {
  readonly value: T
  readonly json: string
}

/**
 * The values of a streamed answer. Nothing is sent before the iteration begins; leaving it early
 * ends the request; whoever reads slowly slows the peer down. An error of the peer in the middle
 * ends the iteration with an ApiError behind the values that arrived.
 */
export class ItemStream<T> implements AsyncIterable<T> {
  readonly #batches: () => AsyncIterable<ReadonlyArray<Received<T>>>

  constructor (batches: () => AsyncIterable<ReadonlyArray<Received<T>>>) {
    this.#batches = batches
  }

  /** What has arrived, as it arrives: quicker than one by one. */
  batches (): AsyncIterable<ReadonlyArray<Received<T>>> { return this.#batches() }

  async * [Symbol.asyncIterator] (): AsyncGenerator<T> {
    for await (const batch of this.#batches()) {
      for (const { value } of batch) yield value
    }
  }
}
