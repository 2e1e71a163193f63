import { cidKey, cidVersion, type Cid } from '../domain/cid.ts'
import type { Clock } from '../platform/clock.ts'
import { MinHeap } from '../platform/min-heap.ts'
import type { Operation } from './operation.ts'

/** Operations sorted in one go: about a millisecond. */
const runLength = 2_048

/** An operation with a text that sorts as `compareCids` does. */
export interface OrderedOperation { readonly key: string, readonly operation: Operation }

/**
 * A text that orders CIDs as `compareCids` does: as their store keys. Version 1 CIDs are their own
 * keys but for the case, which changes nothing: both alphabets have digits before letters.
 */
export function orderKey (cid: Cid): string {
  return cidVersion(cid) === 1 ? cid : `b${cidKey(cid).toLowerCase()}`
}

/**
 * The operations that pass, in the order of `compareCids`, as of the call. Sorts in short runs
 * with turns for others between them; the runs are merged as the caller goes on.
 */
export async function orderedOperations (operations: Iterable<Operation>, passes: (operation: Operation) => boolean, clock: Clock): Promise<Iterator<OrderedOperation, undefined>> {
  const runs: OrderedOperation[][] = [[]]
  for (const operation of operations) {
    if (!passes(operation)) continue
    if ((runs.at(-1) as OrderedOperation[]).length >= runLength) runs.push([]);
    (runs.at(-1) as OrderedOperation[]).push({ key: orderKey(operation.cid), operation })
  }
  for (const [i, run] of runs.entries()) {
    if (i > 0) await new Promise<void>(resolve => { clock.soon(resolve) })
    run.sort((a, b) => a.key < b.key ? -1 : 1)
  }
  return merged(runs)
}

function * merged (runs: OrderedOperation[][]): Generator<OrderedOperation, undefined> {
  const heads = new MinHeap<{ run: OrderedOperation[], at: number, key: string }>((a, b) => a.key < b.key)
  for (const run of runs) if (run[0] !== undefined) heads.push({ run, at: 0, key: run[0].key })
  for (let head = heads.peek(); head !== undefined; head = heads.peek()) {
    yield head.run[head.at] as OrderedOperation
    const next = head.run[++head.at]
    if (next === undefined) {
      heads.pop()
    } else {
      head.key = next.key
      heads.replaceFirst(head)
    }
  }
  return undefined
}
