import { multiaddressPeer } from '../domain/multiaddress.ts'
import type { PeerId, PeerInformation } from '../domain/peer.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import { peerAnswerMs } from './peer-answer.ts'
import { within } from '../platform/deadline.ts'

/** Peers that are asked at the same time; those beyond are known by their first ping. */
const mostAtOnce = 64
/** How often a peer is asked again that has not told by itself that it lives, in milliseconds: its first ping may be minutes away. */
const askAgainMs = 10_000
/** Addresses that are taken from one peer. */
const maxAddresses = 32

export interface GreetingParts {
  readonly network: Network
  readonly calls: Pick<PeerCalls, 'id'>
  readonly platform: Platform
  /** Takes a peer for alive that has answered. */
  readonly answered: (information: PeerInformation) => void
  readonly monitor: Pick<PeerMonitor, 'hears' | 'hasTold'>
}

/**
 * Asks each peer that connects who it is: a peer that answers is a member at once, where its first
 * ping may be half a minute away, and stays one for as long as it answers until that ping comes.
 * Ends with the signal.
 */
export async function greetPeers (parts: GreetingParts, signal: AbortSignal): Promise<void> {
  const { network, calls, platform: { clock }, answered, monitor } = parts
  const asked = new Set<PeerId>()
  /** Peers that are there by their answers alone, or say that they are there for longer than is believed. */
  const unheard = new Set<PeerId>()
  const greet = (peer: PeerId): void => {
    if (signal.aborted || asked.has(peer) || asked.size >= mostAtOnce) return
    asked.add(peer)
    within(clock, peerAnswerMs, { signal }, options => calls.id(peer, options))
      .then(information => {
        answered({ ...information, id: peer })
        // To the end: where there are more than are asked at once, all have their turn.
        unheard.delete(peer)
        unheard.add(peer)
        return network.remember((information.addresses ?? []).slice(0, maxAddresses).filter(address => multiaddressPeer(address) === peer))
      })
      .catch(() => {})
      .finally(() => { asked.delete(peer) })
  }
  const stop = network.onPeer((peer, isConnected) => { if (isConnected) greet(peer) })
  for (const peer of network.peers()) greet(peer)
  while (!signal.aborted) {
    await sleep(clock, askAgainMs, signal).catch(() => {})
    const connected = new Set(network.peers())
    for (const peer of connected) if (monitor.hears('ping', peer) && !monitor.hasTold('ping', peer)) unheard.add(peer)
    for (const peer of unheard) {
      if (connected.has(peer) && !monitor.hasTold('ping', peer)) greet(peer)
      else unheard.delete(peer)
    }
  }
  stop()
}
