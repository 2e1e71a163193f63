import type { Consensus } from '../consensus/consensus.ts'
import type { ConnectGraph, PeerId, PeerLinks } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { within } from '../platform/deadline.ts'

/** Time for a peer to answer, in milliseconds: one of the Go program asks its members for half of it, of which one may be dead. */
const linksAnswerMs = 30_000

export interface GraphParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly clock: Clock
  readonly linksOf: (peer: PeerId, options: CallOptions) => Promise<PeerLinks>
  /** Whom a peer's IPFS node is connected to. */
  readonly swarmOf: (peer: PeerId, options: CallOptions) => Promise<PeerId[]>
}

/** Who is connected to whom, as each peer says (spec/rest-api.md 2.4). A peer that does not answer has no links and no name. */
export async function connectGraph (parts: GraphParts, options: CallOptions): Promise<ConnectGraph> {
  const { self, consensus } = parts
  const idToPeername: Record<string, string> = {}
  const ipfsLinks: Record<string, PeerId[] | null> = {}
  const clusterLinks: Record<string, PeerId[]> = {}
  const clusterTrustLinks: Record<string, boolean> = {}
  const clusterToIpfs: Record<string, PeerId> = {}
  const members = await consensus.peers(options)
  await Promise.all(members.map(async peer => {
    clusterLinks[peer] = []
    clusterTrustLinks[peer] = consensus.isTrusted(peer)
    try {
      const { peername, ipfsPeerId, connected } = await within(parts.clock, linksAnswerMs, options, limited => parts.linksOf(peer, limited))
      clusterLinks[peer] = [...connected]
      idToPeername[peer] = peername
      if (ipfsPeerId === undefined) return
      clusterToIpfs[peer] = ipfsPeerId
      // A node that is there but not online has no links to tell.
      ipfsLinks[ipfsPeerId] = null
      ipfsLinks[ipfsPeerId] = await within(parts.clock, linksAnswerMs, options, limited => parts.swarmOf(peer, limited))
    } catch {
      // A peer that does not answer is seen by what is missing.
      options.signal?.throwIfAborted()
    }
  }))
  return { clusterId: self, idToPeername, ipfsLinks, clusterLinks, clusterTrustLinks, clusterToIpfs }
}
