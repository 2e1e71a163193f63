import { ClusterError, errorText } from '../domain/errors.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { peerAnswerMs } from './peer-answer.ts'
import { within } from '../platform/deadline.ts'
import { recordPresence } from './ping.ts'

/** A peer that takes this one in asks it who it is first, which may take as long as the answer itself. */
const joinAnswerMs = 2 * peerAnswerMs

export interface JoinParts {
  readonly network: Network
  readonly calls: Pick<PeerCalls, 'addPeer'>
  readonly monitor: PeerMonitor
  readonly pingIntervalMs: number
  readonly dialTimeoutMs: number
  /** Tells all peers the metrics of this one now. */
  readonly sendMetrics: () => Promise<void>
  readonly platform: Platform
}

/**
 * Makes this peer a member of the cluster of the peer at `address` (spec/components.md 1.11).
 * Answers that peer; undefined when it is this one.
 * @throws ClusterError `PEER_UNREACHABLE`, `TIMED_OUT`, what the other peer answers
 */
export async function join ({ network, calls, monitor, pingIntervalMs, dialTimeoutMs, sendMetrics, platform }: JoinParts, address: Multiaddress, options: CallOptions): Promise<PeerId | undefined> {
  const { clock, loggers } = platform
  if (address.endsWith(`/p2p/${network.self}`)) return undefined
  await network.remember([address])
  const peer = await within(clock, dialTimeoutMs, options, limited => network.connect(address, limited)).catch((error: unknown) => {
    throw error instanceof ClusterError && error.code === 'TIMED_OUT' ? new ClusterError('PEER_UNREACHABLE', `failed to dial ${address}: no connection within ${dialTimeoutMs} ms`, { cause: error }) : error
  })
  await within(clock, joinAnswerMs, options, limited => calls.addPeer(peer, network.self, limited))
  // Known from now on, not only from its next ping.
  recordPresence(monitor, peer, clock.now(), pingIntervalMs)
  await sendMetrics().catch((error: unknown) => { loggers.component('cluster').warn(errorText(error)) })
  return peer
}
