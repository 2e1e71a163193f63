import { cidKey, cidVersion, type Cid } from '../domain/cid.ts'
import type { Clock } from '../platform/clock.ts'
import { MinHeap } from '../platform/min-heap.ts'
import type { Operation } from './operation.ts'

/** Operations of which the keys are made and sorted in one go: one millisecond or two, for a version 0 CID has to be written anew. */
const runLength = 512

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
  const passing: Operation[] = []
  for (const operation of operations) if (passes(operation)) passing.push(operation)
  const runs: OrderedOperation[][] = []
  for (let at = 0; at < passing.length; at += runLength) {
    if (at > 0) await new Promise<void>(resolve => { clock.soon(resolve) })
    const run = passing.slice(at, at + runLength).map(operation => ({ key: orderKey(operation.cid), operation }))
    runs.push(run.toSorted((a, b) => a.key < b.key ? -1 : 1))
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
