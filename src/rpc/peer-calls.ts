import type { RangeReply, StatusRange } from '../codec/status-ranges.ts'
import type { Cid } from '../domain/cid.ts'
import type { PeerId, PeerInformation, PeerLinks } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { RepositoryCollection, RepositoryStat } from '../domain/repository.ts'
import type { PinInfo, TrackerStatus } from '../domain/status.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/**
 * Statuses as another peer sends them. `isOrdered` is right from the first batch on: true when the
 * sender promises the order of `compareCids`. It is absent or false for a peer that makes no such
 * promise (the Go program lists in the order of its datastore, with gaps): its list must be sorted
 * before it can be merged. The promise is a key of the response header that Go peers skip.
 */
export interface PeerStatuses extends AsyncIterable<PinInfo[]> {
  readonly isOrdered?: () => boolean
}

/**
 * What a peer asks of another (spec/wire.md 5.2). Never used for oneself.
 * @throws ClusterError `PEER_UNREACHABLE`, `TIMED_OUT`, `CANCELLED`; `NOT_AUTHORIZED` when this peer
 * is not trusted there; `INVALID_WIRE_DATA`; and what the other peer answered, by its text
 */
export interface PeerCalls {
  id (peer: PeerId, options: CallOptions): Promise<PeerInformation>
  /** Asks `peer` to take `added` in (`Cluster.PeerAdd`); it calls `added` back first. Answers what that told it. */
  addPeer (peer: PeerId, added: PeerId, options: CallOptions): Promise<PeerInformation>
  status (peer: PeerId, cid: Cid, options: CallOptions): Promise<PinInfo>
  statusAll (peer: PeerId, filter: TrackerStatus, options: CallOptions): PeerStatuses
  /** True when the peer answers {@link statusRanges}. */
  answersRanges (peer: PeerId): boolean
  /** All statuses of the peer by ranges of this peer's pinset, which end with the one to the end: a start for each range, and what follows it. */
  statusRanges (peer: PeerId, ranges: AsyncIterable<StatusRange>, options: CallOptions): AsyncIterable<RangeReply[]>
  recover (peer: PeerId, cid: Cid, options: CallOptions): Promise<PinInfo>
  recoverAll (peer: PeerId, options: CallOptions): AsyncIterable<PinInfo>
  collectGarbage (peer: PeerId, options: CallOptions): Promise<RepositoryCollection>
  swarmPeers (peer: PeerId, options: CallOptions): Promise<PeerId[]>
  /** The members as the peer sees them, without addresses and whom they see in their turn. */
  members (peer: PeerId, options: CallOptions): Promise<PeerInformation[]>
  /** Whom the peer is connected to; one of the Go program: which members answer it. */
  links (peer: PeerId, options: CallOptions): Promise<PeerLinks>
  /** Sends blocks to the IPFS node of `peer` as they come; resolves when it has all. */
  putBlocks (peer: PeerId, blocks: AsyncIterable<Block>, options: CallOptions): Promise<void>
  version (peer: PeerId, options: CallOptions): Promise<string>
  /** Takes `removed` out of the cluster. */
  removePeer (peer: PeerId, removed: PeerId, options: CallOptions): Promise<void>
  repositoryStat (peer: PeerId, options: CallOptions): Promise<RepositoryStat>
  /** For consensus with a leader: hands a change on to it. */
  logPin (peer: PeerId, pin: Pin, options: CallOptions): Promise<void>
  logUnpin (peer: PeerId, pin: Pin, options: CallOptions): Promise<void>
}
