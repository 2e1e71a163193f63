import { ClusterError } from '../../domain/errors.ts'
import type { Exchange } from './exchange.ts'

/** Items that wait for the consumer before the node has to wait too. */
const maxWaitingItems = 8_192

/**
 * Hands the items that an answer is made of to a consumer at the consumer's pace. `read` begins the
 * exchange and is given where to put the items; `end` is called after the last piece of a complete
 * answer and may put more. Ending the iteration early ends the exchange.
 */
export async function * itemStream<T> (read: (put: (item: T) => void) => { exchange: Exchange, end: () => void }): AsyncGenerator<T[]> {
  let waiting: T[] = []
  let wake: (() => void) | undefined
  let isOver = false
  let failure: unknown
  const { exchange, end } = read(item => {
    waiting.push(item)
    if (waiting.length === 1) wake?.()
    else if (waiting.length === maxWaitingItems) exchange.pause()
  })
  exchange.done.then(end).catch((error: unknown) => { failure = error }).finally(() => {
    isOver = true
    wake?.()
  })
  try {
    for (;;) {
      if (waiting.length > 0) {
        const items = waiting
        waiting = []
        exchange.resume()
        yield items
      } else if (isOver) {
        if (failure !== undefined) throw failure
        return
      } else {
        await new Promise<void>(resolve => { wake = resolve })
        wake = undefined
      }
    }
  } finally {
    exchange.fail(new ClusterError('CANCELLED', 'the rest of the answer is not wanted'))
  }
}
