import type { PeerId } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { Network, PeerStream } from '../platform/network.ts'

/** Finding and dialling a peer, for calls whose own time is longer, in milliseconds. */
export const maxOpenMs = 30_000

export interface Opening {
  readonly network: Network
  readonly clock: Clock
  readonly peer: PeerId
  readonly protocol: string
  /** Aborted by whoever gives up, and here when the time is over. */
  readonly opening: AbortController
  readonly timeoutMs: number
  /** The error when the time is over. */
  readonly late: () => unknown
}

/**
 * Opens a stream in time; one that is there too late is reset.
 * @throws the reason of `opening`, and as `Network.open`
 */
export async function openStream ({ network, clock, peer, protocol, opening, timeoutMs, late }: Opening): Promise<PeerStream> {
  const cancelTimer = clock.after(timeoutMs, () => { opening.abort(late()) })
  try {
    const stream = await network.open(peer, protocol, { signal: opening.signal })
    if (opening.signal.aborted) {
      stream.reset()
      throw opening.signal.reason
    }
    return stream
  } finally {
    cancelTimer()
  }
}
