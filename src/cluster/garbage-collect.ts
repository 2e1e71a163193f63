import { errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { CollectedKey, GlobalRepositoryCollection, RepositoryCollection } from '../domain/repository.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'

/** Collects on this peer. */
export async function collectLocally (ipfs: IpfsConnector, self: PeerId, peername: string, options: CallOptions): Promise<RepositoryCollection> {
  const keys: CollectedKey[] = []
  for await (const key of ipfs.garbageCollect(options)) keys.push(key)
  return { peer: self, peername, keys, error: '' }
}

/** Collects on one peer after another, so that never all nodes are busy with it; an error counts for its peer alone. */
export async function collectEverywhere (members: readonly PeerId[], self: PeerId, local: () => Promise<RepositoryCollection>, calls: PeerCalls, options: CallOptions): Promise<GlobalRepositoryCollection> {
  const peerMap: Record<string, RepositoryCollection> = {}
  for (const peer of members) {
    try {
      peerMap[peer] = peer === self ? await local() : await calls.collectGarbage(peer, options)
    } catch (error) {
      peerMap[peer] = { peer, peername: '', keys: [], error: errorText(error) }
    }
  }
  return { peerMap }
}
