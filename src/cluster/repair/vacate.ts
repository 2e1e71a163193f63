import type { Consensus } from '../../consensus/consensus.ts'
import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { CallOptions, Platform } from '../../platform/lifecycle.ts'
import type { Pinning } from '../pin.ts'
import { Shortage } from './shortage.ts'

/** Pins read from the index at once. */
const pinsPerStep = 500
/** Changes that wait for the disk at the same time: they share its syncs. */
const changesAtOnce = 32

export interface VacateParts {
  readonly consensus: Consensus
  readonly pinning: Pick<Pinning, 'factors' | 'allocate'>
  /** False for a peer that may be dead: whoever removes another one is not to rely on it. */
  readonly isHeard: (peer: PeerId) => boolean
  /** Called with each pin that has been moved: a million take long, and who asked may go away. */
  readonly onMoved: () => void
  readonly platform: Platform
}

/** Moves the pins of a peer that would have too few holders without it; tells how many. */
export async function vacatePeer (parts: VacateParts, peer: PeerId, gone: () => readonly PeerId[], { signal }: CallOptions): Promise<void> {
  const { consensus, pinning, isHeard, onMoved, platform: { clock, loggers } } = parts
  const logger = loggers.component('cluster')
  const away = (): PeerId[] => [...gone(), peer]
  const shortage = new Shortage(pinning, holder => away().includes(holder), holder => !isHeard(holder))
  let moved = 0
  let hopeless = 0
  const move = async (cid: Cid): Promise<void> => {
    // Read anew: others change pins while this goes on, and what they removed must not come back.
    const pin = await consensus.pinset().get(cid)
    if (pin === undefined || !shortage.isShort(pin, clock.now())) return
    let filled
    try {
      filled = shortage.filled(pin, away(), clock.now())
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      hopeless++
      logger.debug({ cid }, `the pin stays with the peer: ${error.message}`)
      return
    }
    await consensus.logMove(pin, filled, { signal })
    moved++
    onMoved()
  }
  for (let last: Cid | undefined; ;) {
    const cids: Cid[] = []
    for await (const some of consensus.pinset().allocatedTo(peer, { ...(last !== undefined && { after: last }), limit: pinsPerStep })) cids.push(...some)
    last = cids.at(-1)
    if (last === undefined) break
    for (let i = 0; i < cids.length; i += changesAtOnce) {
      signal?.throwIfAborted()
      await Promise.all(cids.slice(i, i + changesAtOnce).map(move))
    }
  }
  logger.info({ peer, moved, hopeless }, `repinned out of ${peer}: ${moved} pins`)
  if (hopeless > 0) logger.warn({ peer, hopeless }, `pins that stay with peer ${peer} because there are not enough others: ${hopeless}`)
}
