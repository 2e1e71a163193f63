import { cidKey } from '../../domain/cid.ts'
import type { Clock } from '../../platform/clock.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'

/** Who has not read for so long is idle, in milliseconds. */
const idleAfterMs = 2_000
/** A listing that is idle for so long is given up, in milliseconds. */
const restAfterMs = 60_000
/** Idle listings that are held; the one that is idle longest goes first. */
const mostIdle = 4

/**
 * Lets others read listings as slowly as they like, and holds few of them: each has what the IPFS
 * node had pinned when it began. One that nobody reads from is given up, and begun anew behind
 * what was read when somebody does.
 */
export class RestingListings {
  readonly #clock: Clock
  /** What gives up each idle listing, the one that is idle longest first. */
  readonly #idle = new Set<() => void>()

  constructor (clock: Clock) { this.#clock = clock }

  /** @param open begins a listing, in the order of `compareCids` */
  async * read (open: () => AsyncIterable<ListedStatus[]>): AsyncGenerator<ListedStatus[]> {
    let listing: AsyncIterator<ListedStatus[]> | undefined
    let last = ''
    const rest = (): void => {
      // What it waits for ends with its signal.
      listing?.return?.().catch(() => {})
      listing = undefined
    }
    try {
      for (;;) {
        listing ??= open()[Symbol.asyncIterator]()
        const { done, value } = await listing.next()
        if (done === true) return
        const fresh = last === '' || cidKey((value[0] as ListedStatus).cid) > last ? value : value.filter(({ cid }) => cidKey(cid) > last)
        if (fresh.length === 0) continue
        last = cidKey((fresh.at(-1) as ListedStatus).cid)
        const endPause = this.#pause(rest)
        try {
          yield fresh
        } finally {
          endPause()
        }
      }
    } finally {
      rest()
    }
  }

  /** A listing is not read from, until the result is called. */
  #pause (rest: () => void): () => void {
    const giveUp = (): void => {
      this.#idle.delete(giveUp)
      rest()
    }
    let cancel = this.#clock.after(idleAfterMs, () => {
      this.#idle.add(giveUp)
      cancel = this.#clock.after(restAfterMs - idleAfterMs, giveUp)
      const [longest] = this.#idle
      if (this.#idle.size > mostIdle) longest?.()
    })
    return () => {
      cancel()
      this.#idle.delete(giveUp)
    }
  }
}
