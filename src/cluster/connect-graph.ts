import type { Consensus } from '../consensus/consensus.ts'
import type { ConnectGraph, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { within } from './deadline.ts'

/** Time for a peer to tell its members, in milliseconds: twice what it gives them itself, for one may be dead. */
const membersAnswerMs = 30_000

export interface GraphParts {
  readonly self: PeerId
  readonly consensus: Consensus
  readonly clock: Clock
  /** The members as a peer sees them, itself among them. */
  readonly membersSeenBy: (peer: PeerId, options: CallOptions) => Promise<PeerInformation[]>
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
      const seen = (await within(parts.clock, membersAnswerMs, options, limited => parts.membersSeenBy(peer, limited))).filter(member => member.error === '')
      clusterLinks[peer] = seen.filter(member => member.id !== peer).map(member => member.id)
      const itself = seen.find(member => member.id === peer)
      if (itself === undefined) return
      idToPeername[peer] = itself.peername
      if (itself.ipfs.id === undefined || itself.ipfs.error !== '') return
      clusterToIpfs[peer] = itself.ipfs.id
      // A node that is there but not online has no links to tell.
      ipfsLinks[itself.ipfs.id] = null
      ipfsLinks[itself.ipfs.id] = await within(parts.clock, membersAnswerMs, options, limited => parts.swarmOf(peer, limited))
    } catch {
      // A peer that does not answer is seen by what is missing.
      options.signal?.throwIfAborted()
    }
  }))
  return { clusterId: self, idToPeername, ipfsLinks, clusterLinks, clusterTrustLinks, clusterToIpfs }
}
