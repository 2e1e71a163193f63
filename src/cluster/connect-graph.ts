import type { Consensus } from '../consensus/consensus.ts'
import type { ConnectGraph, PeerId } from '../domain/peer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { IpfsIdentity } from './ipfs-identity.ts'

export interface GraphParts {
  readonly self: PeerId
  readonly peername: string
  readonly consensus: Consensus
  readonly network: Network
  readonly calls: PeerCalls
  readonly ipfs: IpfsConnector
  readonly ipfsIdentity: IpfsIdentity
}

/** Who is connected to whom, as each peer says (spec/rest-api.md 2.4). */
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
    try {
      const [id, links] = peer === self
        ? [{ peername: parts.peername, ipfs: await parts.ipfsIdentity.now(options) }, [...parts.network.peers()]]
        : [await parts.calls.id(peer, options), (await parts.calls.members(peer, options)).filter(member => member.error === '' && member.id !== peer).map(member => member.id)]
      idToPeername[peer] = id.peername
      clusterLinks[peer] = links
      clusterTrustLinks[peer] = consensus.isTrusted(peer)
      if (id.ipfs.id === undefined || id.ipfs.error !== '') return
      clusterToIpfs[peer] = id.ipfs.id
      // A node that is there but not online has no links to tell.
      ipfsLinks[id.ipfs.id] = null
      ipfsLinks[id.ipfs.id] = peer === self ? await parts.ipfs.swarmPeers(options) : await parts.calls.swarmPeers(peer, options)
    } catch {
      // A peer that does not answer is seen by what is missing.
    }
  }))
  return { clusterId: self, idToPeername, ipfsLinks, clusterLinks, clusterTrustLinks, clusterToIpfs }
}
