import type { RangeReply, StatusRange } from '../codec/status-ranges.ts'
import type { Cid } from '../domain/cid.ts'
import type { PeerId, PeerInformation, PeerLinks } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { RepositoryCollection, RepositoryStat } from '../domain/repository.ts'
import type { PinInfo, TrackerStatus } from '../domain/status.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/**
 * What a peer does for other peers that call it (spec/wire.md 5.2 and 5.3): the other end of
 * `PeerCalls`. Who may call what is decided before, by the table of `methods.ts`. The signal is
 * aborted when the caller goes away.
 */
export interface PeerService {
  id (options: CallOptions): Promise<PeerInformation>
  version (): string
  /** Takes a peer in that wants to join; answers what that peer says of itself. */
  addPeer (peer: PeerId, options: CallOptions): Promise<PeerInformation>
  removePeer (peer: PeerId, options: CallOptions): Promise<void>
  /** All members as this peer sees them. */
  members (options: CallOptions): AsyncIterable<PeerInformation>
  links (options: CallOptions): Promise<PeerLinks>
  status (cid: Cid, options: CallOptions): Promise<PinInfo>
  /** In the order of `compareCids`. */
  statusAll (filter: TrackerStatus, options: CallOptions): AsyncIterable<PinInfo[]>
  /** The statuses of this peer by ranges of the caller's pinset: {@link PeerCalls.statusRanges}. */
  statusRanges (ranges: AsyncIterable<StatusRange>, options: CallOptions): AsyncIterable<RangeReply[]>
  recover (cid: Cid, options: CallOptions): Promise<PinInfo>
  recoverAll (options: CallOptions): AsyncIterable<PinInfo>
  collectGarbage (options: CallOptions): Promise<RepositoryCollection>
  repositoryStat (options: CallOptions): Promise<RepositoryStat>
  swarmPeers (options: CallOptions): Promise<PeerId[]>
  /** Stores blocks in this peer's IPFS node as they come. */
  putBlocks (blocks: AsyncIterable<Block>, options: CallOptions): Promise<void>
  /** For consensus with a leader: the caller is a follower that hands a change on. */
  logPin (pin: Pin, options: CallOptions): Promise<void>
  logUnpin (pin: Pin, options: CallOptions): Promise<void>
}
