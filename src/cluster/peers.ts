import type { Consensus } from '../consensus/consensus.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId, PeerInformation } from '../domain/peer.ts'
import { contractVersion, rpcProtocol } from '../domain/version.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import type { IpfsIdentity } from './ipfs-identity.ts'

export interface MembershipParts {
  readonly self: PeerId
  readonly peername: string
  readonly network: Network
  readonly consensus: Consensus
  readonly calls: PeerCalls
  readonly ipfsIdentity: IpfsIdentity
  readonly followerMode: boolean
}

/** Who belongs to the cluster (spec/components.md 1.10, 1.11). */
export class Membership {
  readonly #parts: MembershipParts

  constructor (parts: MembershipParts) { this.#parts = parts }

  /** What this peer says of itself. */
  async self (options: CallOptions): Promise<PeerInformation> {
    const { self, peername, network, consensus, ipfsIdentity } = this.#parts
    const [clusterPeers, ipfs] = await Promise.all([consensus.peers(options), ipfsIdentity.now(options)])
    return {
      id: self,
      addresses: network.addresses(),
      clusterPeers,
      clusterPeersAddresses: clusterPeers.filter(peer => peer !== self).flatMap(peer => network.knownAddresses(peer)),
      version: contractVersion,
      commit: '',
      rpcProtocolVersion: rpcProtocol,
      error: '',
      ipfs,
      peername,
    }
  }

  /** All members; one that does not answer with its error. */
  async * all (options: CallOptions): AsyncGenerator<PeerInformation> {
    const { self, consensus, calls, followerMode } = this.#parts
    const members = followerMode ? [self] : await consensus.peers(options)
    const asked = members.map(peer => peer === self ? this.self(options) : calls.id(peer, options).catch((error: unknown) => unreachable(peer, errorText(error))))
    for (const answer of asked) yield await answer
  }

  /** Takes a peer in; answers what it says of itself. */
  async add (peer: PeerId, options: CallOptions): Promise<PeerInformation> {
    const { self, consensus, calls } = this.#parts
    if (peer === self) return this.self(options)
    const information = await calls.id(peer, options)
    await consensus.addPeer(peer, options)
    return information
  }

  async remove (peer: PeerId, options: CallOptions): Promise<void> {
    const members = await this.#parts.consensus.peers(options)
    await this.#parts.consensus.removePeer(peer, options)
    if (!members.includes(peer)) throw new ClusterError('NOT_FOUND', `peer ${peer} is not a member of this cluster`)
  }
}

function unreachable (peer: PeerId, error: string): PeerInformation {
  return {
    id: peer,
    addresses: null,
    clusterPeers: null,
    clusterPeersAddresses: null,
    version: '',
    commit: '',
    rpcProtocolVersion: '',
    error,
    ipfs: { id: undefined, addresses: null, error: '' },
    peername: '',
  }
}
