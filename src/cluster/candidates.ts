import type { Cid } from '../domain/cid.ts'
import type { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { PinningParts } from './pin.ts'

/** Peers that are named in one line of the log: anybody with the secret can make up more. */
const mostNamed = 100

/** False where the configuration does not let the peer hold pins. */
export function mayHold ({ consensus, options: { pinOnlyOnTrustedPeers, pinOnlyOnUntrustedPeers } }: Pick<PinningParts, 'consensus' | 'options'>, peer: PeerId): boolean {
  return !(pinOnlyOnTrustedPeers && !consensus.isTrusted(peer)) && !(pinOnlyOnUntrustedPeers && consensus.isTrusted(peer))
}

/**
 * True of a peer that has stopped telling that it lives. Its other metrics may count for longer: with
 * a clock that ran ahead as it died, for hours.
 */
export function isSilent ({ monitor }: Pick<PinningParts, 'monitor'>, peer: PeerId): boolean {
  return monitor.latestFor('ping', peer) !== undefined && !monitor.hears('ping', peer)
}

/** Tells in the log which peers could not be chosen and why: the error counts the others only, and refers to the log. */
export function tellWhoIsMissing (parts: PinningParts, error: ClusterError, cid: Cid | undefined): void {
  const { allocator, monitor, loggers } = parts
  const candidates = Array.isArray(error.details['candidates']) ? error.details['candidates'] as readonly PeerId[] : []
  const left = monitor.latest('ping').map(({ peer }) => peer).filter(peer => !candidates.includes(peer))
  const reasons = left.map(peer => {
    const lacking = allocator.requiredMetrics.filter(name => !monitor.hears(name, peer))
    if (lacking.length > 0) return `${peer} (tells no ${lacking.join(', ')})`
    return mayHold(parts, peer) ? `${peer} (holds it already)` : `${peer} (${parts.options.pinOnlyOnTrustedPeers ? 'not trusted, pin_only_on_trusted_peers' : 'trusted, pin_only_on_untrusted_peers'})`
  })
  loggers.component('cluster').error({ ...(cid !== undefined && { cid }) }, `not enough peers to allocate ${cid ?? 'the blocks of an add'}: candidates: ${listed(candidates)}; other peers: ${listed(reasons)}`)
}

function listed (peers: readonly string[]): string {
  if (peers.length === 0) return 'none'
  return peers.slice(0, mostNamed).join(', ') + (peers.length > mostNamed ? ` and ${peers.length - mostNamed} more` : '')
}
