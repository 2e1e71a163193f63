/** An item at its place in the order; `item` undefined means that nothing stands there (any more). */
export interface OrderedItem<T> { readonly key: string, readonly item: T | undefined }

/**
 * Lays few `overlay` items (in any order) over many stored ones (ordered by key, in batches):
 * where both have a key, the overlay counts. Keeps the order and streams.
 */
export async function * mergeOrdered<S, T> (stored: AsyncIterable<S[]>, read: (entry: S) => OrderedItem<T>, overlay: Array<OrderedItem<T>>, signal?: AbortSignal): AsyncGenerator<T[]> {
  const over = overlay.toSorted((a, b) => a.key < b.key ? -1 : 1)
  let at = 0
  const takeBefore = (key: string | undefined, into: T[]): void => {
    for (let next = over[at]; next !== undefined && (key === undefined || next.key <= key); next = over[++at]) {
      if (next.item !== undefined) into.push(next.item)
    }
  }
  for await (const entries of stored) {
    signal?.throwIfAborted()
    const batch: T[] = []
    for (const entry of entries) {
      const { key, item } = read(entry)
      const covered = at
      takeBefore(key, batch)
      if (at > covered && over[at - 1]?.key === key) continue
      if (item !== undefined) batch.push(item)
    }
    if (batch.length > 0) yield batch
  }
  const rest: T[] = []
  takeBefore(undefined, rest)
  if (rest.length > 0) yield rest
}
