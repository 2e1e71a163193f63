import type { Clock } from '../platform/clock.ts'
import type { Store, StoreEntry, StoreRange } from '../platform/store.ts'

/** Who has not asked for more for so long rests, in milliseconds. */
const restAfterMs = 60_000

/**
 * As {@link Store.iterate}, for readers that may rest for long, as a pager does in front of which nobody
 * sits: the disk keeps for a reader all that is overwritten or removed while it reads. So one that rests is
 * given up, and begun anew behind the last key when more is asked for, with what is there then.
 */
export function restingEntries (store: Store, range: StoreRange, clock: Clock): AsyncGenerator<StoreEntry[]> {
  // At once: that is the moment as of which the entries are.
  let entries: AsyncIterator<StoreEntry[]> | undefined = store.iterate(range)[Symbol.asyncIterator]()
  let last: string | undefined
  const giveUp = async (): Promise<void> => {
    const given = entries
    entries = undefined
    await given?.return?.()
  }

  async function * steps (): AsyncGenerator<StoreEntry[]> {
    try {
      for (;;) {
        entries ??= store.iterate(behind(range, last))[Symbol.asyncIterator]()
        const { done, value } = await entries.next()
        if (done === true) return
        last = value.at(-1)?.key ?? last
        // What fails at the end of a reading has been read.
        const cancel = clock.after(restAfterMs, () => { giveUp().catch(() => {}) })
        try {
          yield value
        } finally {
          cancel()
        }
      }
    } finally {
      await giveUp()
    }
  }
  return steps()
}

function behind (range: StoreRange, last: string | undefined): StoreRange {
  if (last === undefined) return range
  const { gte: _, ...rest } = range
  return { ...rest, gt: last }
}
