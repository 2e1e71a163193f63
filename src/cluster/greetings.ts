import { multiaddressPeer } from '../domain/multiaddress.ts'
import type { PeerId, PeerInformation } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { peerAnswerMs } from './peer-answer.ts'
import { within } from '../platform/deadline.ts'

/** Peers that are asked at the same time; those beyond are known by their first ping. */
const mostAtOnce = 64
/** Addresses that are taken from one peer. */
const maxAddresses = 32

export interface GreetingParts {
  readonly network: Network
  readonly calls: Pick<PeerCalls, 'id'>
  readonly platform: Platform
  /** Takes a peer for alive that has answered. */
  readonly answered: (information: PeerInformation) => void
}

/**
 * Asks each peer that connects who it is: a peer that answers is a member at once, where its first
 * ping may be half a minute away. Ends with the signal.
 */
export async function greetPeers (parts: GreetingParts, signal: AbortSignal): Promise<void> {
  const { network, calls, platform: { clock }, answered } = parts
  const asked = new Set<PeerId>()
  const greet = (peer: PeerId): void => {
    if (signal.aborted || asked.has(peer) || asked.size >= mostAtOnce) return
    asked.add(peer)
    within(clock, peerAnswerMs, { signal }, options => calls.id(peer, options))
      .then(information => {
        answered({ ...information, id: peer })
        return network.remember((information.addresses ?? []).slice(0, maxAddresses).filter(address => multiaddressPeer(address) === peer))
      })
      .catch(() => {})
      .finally(() => { asked.delete(peer) })
  }
  const stop = network.onPeer((peer, isConnected) => { if (isConnected) greet(peer) })
  for (const peer of network.peers()) greet(peer)
  await new Promise<void>(resolve => { signal.addEventListener('abort', () => { resolve() }, { once: true }) })
  stop()
}
