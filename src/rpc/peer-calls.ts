import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId, PeerInformation } from '../domain/peer.ts'
import type { RepositoryCollection } from '../domain/repository.ts'
import type { PinInfo, TrackerStatus } from '../domain/status.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** What a peer asks of another (spec/wire.md 5.2). Never used for oneself. */
export interface PeerCalls {
  id (peer: PeerId, options: CallOptions): Promise<PeerInformation>
  status (peer: PeerId, cid: Cid, options: CallOptions): Promise<PinInfo>
  statusAll (peer: PeerId, filter: TrackerStatus, options: CallOptions): AsyncIterable<PinInfo[]>
  recover (peer: PeerId, cid: Cid, options: CallOptions): Promise<PinInfo>
  recoverAll (peer: PeerId, options: CallOptions): AsyncIterable<PinInfo>
  collectGarbage (peer: PeerId, options: CallOptions): Promise<RepositoryCollection>
  swarmPeers (peer: PeerId, options: CallOptions): Promise<PeerId[]>
  members (peer: PeerId, options: CallOptions): Promise<PeerInformation[]>
  putBlocks (peer: PeerId, blocks: AsyncIterable<Block>, options: CallOptions): Promise<void>
}

/** For a peer that is alone: nobody can be reached. */
export const loneCalls: PeerCalls = {
  id: unreachable,
  status: unreachable,
  statusAll: unreachableStream,
  recover: unreachable,
  recoverAll: unreachableStream,
  collectGarbage: unreachable,
  swarmPeers: unreachable,
  members: unreachable,
  putBlocks: unreachable,
}

function unreachable (peer: PeerId): Promise<never> {
  return Promise.reject(new ClusterError('PEER_UNREACHABLE', `failed to dial: peer ${peer} is not known and this peer runs alone`))
}

function unreachableStream (peer: PeerId): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => unreachable(peer) }) }
}
