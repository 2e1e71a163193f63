import { ClusterError } from '../../domain/errors.ts'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import type { Deadline } from './exchange.ts'
import { notUnderstood } from './failures.ts'
import type { KuboRpc } from './kubo-rpc.ts'
import { queryEscape } from './query-escape.ts'

/** Nodes dialled at the same time. */
const maxDialsAtOnce = 10
/** A large node has 100,000 peers: reading them all at once would keep everything else waiting for a second. */
const entriesInOneTurn = 1_000

/** The peers that the node is connected to; entries without a readable peer ID are left out. */
export async function swarmPeers (rpc: KuboRpc, deadline: Deadline, options: CallOptions): Promise<PeerId[]> {
  const path = 'swarm/peers'
  const { Peers: listed } = await rpc.object({ path, deadline, signal: options.signal })
  if (listed === null) return []
  if (!Array.isArray(listed)) throw notUnderstood(path, JSON.stringify(listed) ?? '')
  const peers: PeerId[] = []
  for (const [i, entry] of (listed as readonly unknown[]).entries()) {
    if (i % entriesInOneTurn === entriesInOneTurn - 1) await new Promise<void>(resolve => { rpc.clock.soon(resolve) })
    const peer = typeof entry === 'object' && entry !== null && 'Peer' in entry ? readPeer(entry.Peer) : undefined
    if (peer !== undefined) peers.push(peer)
  }
  return peers
}

/**
 * Lets the node dial every address. One that cannot be reached is no failure: addresses come from
 * other peers and origins and are often behind a NAT or outdated.
 * @throws ClusterError when the node itself does not answer, or `signal` ends it
 */
export async function dialAll (rpc: KuboRpc, addresses: readonly Multiaddress[], deadline: Deadline, signal: AbortSignal | undefined): Promise<void> {
  const rest = addresses[Symbol.iterator]()
  const dialer = async (): Promise<void> => {
    for (const address of rest) {
      try {
        await rpc.call({ path: `swarm/connect?arg=${queryEscape(address)}`, isLasting: true, deadline, signal })
      } catch (error) {
        if (!(error instanceof ClusterError) || error.code !== 'IPFS_ANSWER') throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(maxDialsAtOnce, addresses.length) }, dialer))
}

function readPeer (text: unknown): PeerId | undefined {
  try {
    return typeof text === 'string' ? parsePeerId(text) : undefined
  } catch {
    return undefined
  }
}
