import type { PeerId } from '../../domain/peer.ts'
import type { PeerPresence } from '../../monitor/monitor.ts'

/**
 * Silence that may be a blip, in milliseconds, unless the operator says otherwise: a network that
 * was away for half a minute and a ping interval behind it are within. With the second evidence and
 * the pace of the loop the first pin moves within a minute of a death.
 */
export const usualGraceMs = 50_000
/** What a peer gets at most after its last ping has expired, when its pings count longer than usual. */
const graceMs = 20_000
/** For a peer that holds pins and was never heard: this peer has just started, others may still start. */
const unheardGraceMs = 5 * 60_000
/** When most peers vanish together: rather a cut in the network than so many deaths. */
const massGraceMs = 10 * 60_000

/** A peer that is named in allocations but was not heard since this peer runs. */
export interface UnheardHolder {
  readonly peer: PeerId
  readonly missedMs: number
  /** It was dead already when this peer stopped. */
  readonly wasGone: boolean
}

/** What is known of the others, this peer left out. */
export interface Sightings {
  readonly heard: readonly PeerPresence[]
  readonly unheard: readonly UnheardHolder[]
}

export interface Judgement {
  /** Peers whose pins may be moved, once they do not answer a call either. */
  readonly gone: readonly PeerId[]
  /** When the next of the silent ones is due, in milliseconds from now. */
  readonly nextMs: number
  /** True when peers would be due but nobody else is there: then it is this peer that is cut off, as far as it can know. */
  readonly isAlone: boolean
}

/** Says who has been away for so long that its pins should be looked after: `leastSilenceMs` at least. Pure. */
export function judge ({ heard, unheard }: Sightings, leastSilenceMs = usualGraceMs): Judgement {
  const silent = heard.filter(presence => presence.expiredMs > 0)
  const hasNobody = silent.length === heard.length && (heard.length > 0 ? heard.length : unheard.length) > 1
  const isMass = silent.length * 2 > heard.length + 1
  const gone: PeerId[] = []
  let nextMs = Infinity
  const add = (peer: PeerId, dueInMs: number): void => {
    if (dueInMs > 0) nextMs = Math.min(nextMs, dueInMs)
    else gone.push(peer)
  }
  for (const { peer, silentMs, expiredMs } of heard) {
    if (expiredMs > 0) add(peer, Math.max(Math.min(graceMs, leastSilenceMs) - expiredMs, (isMass ? Math.max(massGraceMs, leastSilenceMs) : leastSilenceMs) - silentMs))
  }
  for (const { peer, missedMs, wasGone } of unheard) add(peer, (wasGone && !isMass ? leastSilenceMs : Math.max(unheardGraceMs, leastSilenceMs)) - missedMs)
  return hasNobody ? { gone: [], nextMs, isAlone: gone.length > 0 } : { gone, nextMs, isAlone: false }
}
