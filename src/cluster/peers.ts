import type { Consensus } from '../consensus/consensus.ts'
import { errorText } from '../domain/errors.ts'
import type { PeerId, PeerInformation, PeerLinks } from '../domain/peer.ts'
import { contractVersion, rpcProtocol } from '../domain/version.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { peerAnswerMs } from './peer-answer.ts'
import { within } from '../platform/deadline.ts'
import type { IpfsIdentity } from './ipfs-identity.ts'
import { isRefusal } from './status/status.ts'

/** Addresses of another member that are told: the latest. All that were ever known of a thousand members have no room in an answer. */
const maxToldAddresses = 8

export interface MembershipParts {
  readonly self: PeerId
  readonly peername: string
  readonly network: Network
  readonly consensus: Consensus
  readonly calls: PeerCalls
  readonly ipfsIdentity: IpfsIdentity
  readonly clock: Clock
  /** Takes a peer for alive that has just answered, before its first ping is heard. */
  readonly answered: (information: PeerInformation) => void
  /** Moves what is allocated to a peer to others. */
  readonly vacate: (peer: PeerId, options: CallOptions) => Promise<void>
}

/** Who belongs to the cluster (spec/components.md 1.8, 1.10, 1.11). */
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
      clusterPeersAddresses: clusterPeers.filter(peer => peer !== self).flatMap(peer => network.knownAddresses(peer).slice(-maxToldAddresses)),
      version: contractVersion,
      commit: '',
      rpcProtocolVersion: rpcProtocol,
      error: '',
      ipfs,
      peername,
    }
  }

  /** Whom this peer is connected to. */
  async links (options: CallOptions): Promise<PeerLinks> {
    const { self, peername, network, consensus, ipfsIdentity } = this.#parts
    const [members, ipfs] = await Promise.all([consensus.peers(options), ipfsIdentity.now(options)])
    const connected = new Set(network.peers())
    return { peername, ipfsPeerId: ipfs.error === '' ? ipfs.id : undefined, connected: members.filter(peer => peer !== self && connected.has(peer)) }
  }

  /** All members, asked at the same time; one that does not answer with its error, one that refuses to not at all. */
  async * all (options: CallOptions): AsyncGenerator<PeerInformation> {
    const { self, consensus, calls, clock } = this.#parts
    const members = await consensus.peers(options)
    const asked = members.map(async (peer): Promise<PeerInformation | undefined> => {
      if (peer === self) return this.self(options)
      try {
        return { ...await within(clock, peerAnswerMs, options, limited => calls.id(peer, limited)), id: peer }
      } catch (error) {
        return isRefusal(error) ? undefined : unreachable(peer, errorText(error))
      }
    })
    // Who goes away is told at one answer; nobody looks at those behind it then.
    for (const answer of asked) answer.catch(() => {})
    for (const answer of asked) {
      const information = await answer
      options.signal?.throwIfAborted()
      if (information !== undefined) yield information
    }
  }

  /** Takes a peer in, which must be there; answers what it says of itself. */
  async add (peer: PeerId, options: CallOptions): Promise<PeerInformation> {
    const { self, consensus, calls, clock, answered } = this.#parts
    if (peer === self) return this.self(options)
    const information = { ...await within(clock, peerAnswerMs, options, limited => calls.id(peer, limited)), id: peer }
    await consensus.addPeer(peer, options)
    answered(information)
    const clusterPeers = [...new Set([...information.clusterPeers ?? [], self])].toSorted()
    return { ...information, clusterPeers }
  }

  /**
   * Moves what the peer holds to others, then takes it out of the consensus.
   * @throws ClusterError `UNSUPPORTED` where the consensus has no members to remove
   */
  async remove (peer: PeerId, options: CallOptions): Promise<void> {
    await this.#parts.vacate(peer, options)
    await this.#parts.consensus.removePeer(peer, options)
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
