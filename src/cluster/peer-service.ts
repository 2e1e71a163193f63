import type { Consensus } from '../consensus/consensus.ts'
import type { PeerId } from '../domain/peer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { contractVersion } from '../domain/version.ts'
import type { Clock } from '../platform/clock.ts'
import type { PeerService } from '../rpc/peer-service.ts'
import type { PinTracker } from '../tracker/tracker.ts'
import { answerRanges } from './status/answer-ranges.ts'
import { collectLocally } from './garbage-collect.ts'
import type { Membership } from './peers.ts'
import { RestingListings } from './status/resting-listings.ts'

export interface ServiceParts {
  readonly self: PeerId
  readonly peername: string
  readonly membership: Membership
  readonly consensus: Consensus
  readonly tracker: PinTracker
  readonly ipfs: IpfsConnector
  readonly clock: Clock
}

/** What this peer does for others that call it: always of itself alone, but for `members`. */
export function peerService ({ self, peername, membership, consensus, tracker, ipfs, clock }: ServiceParts): PeerService {
  const listings = new RestingListings(clock)
  return {
    id: options => membership.self(options),
    version: () => contractVersion,
    addPeer: (peer, options) => membership.add(peer, options),
    removePeer: (peer, options) => membership.remove(peer, options),
    members: options => membership.all(options),
    links: options => membership.links(options),
    status: (cid, options) => tracker.status(cid, options),
    statusAll: (filter, options) => tracker.statusAll(filter, options),
    statusRanges: (ranges, options) => answerRanges(listings.read(() => tracker.listed(options)), ranges),
    recover: (cid, options) => tracker.recover(cid, options),
    recoverAll: options => tracker.recoverAll(options),
    collectGarbage: options => collectLocally({ ipfs, self, peername, clock }, options),
    repositoryStat: options => ipfs.repositoryStat(options),
    swarmPeers: options => ipfs.swarmPeers(options),
    putBlocks: (blocks, options) => ipfs.putBlocks(blocks, options),
    logPin: (pin, options) => consensus.logPin(pin, options),
    logUnpin: (pin, options) => consensus.logUnpin(pin, options),
  }
}
