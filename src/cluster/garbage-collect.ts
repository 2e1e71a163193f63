import { errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { CollectedKey, GlobalRepositoryCollection, RepositoryCollection } from '../domain/repository.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { isRefusal } from './status.ts'
import type { LastKnown } from './status-lines.ts'

/** Collects on this peer. */
export async function collectLocally (ipfs: IpfsConnector, self: PeerId, peername: string, options: CallOptions): Promise<RepositoryCollection> {
  const keys: CollectedKey[] = []
  for await (const key of ipfs.garbageCollect(options)) keys.push(key)
  return { peer: self, peername, keys, error: '' }
}

export interface CollectionParts {
  readonly self: PeerId
  readonly calls: PeerCalls
  readonly lastKnown: LastKnown
  readonly local: () => Promise<RepositoryCollection>
}

/**
 * Collects on one peer after another, so that never all nodes are busy with it; an error counts
 * for its peer alone, and one that refuses is left out.
 */
export async function collectEverywhere (members: readonly PeerId[], parts: CollectionParts, options: CallOptions): Promise<GlobalRepositoryCollection> {
  const { self, calls, lastKnown, local } = parts
  const peerMap: Record<string, RepositoryCollection> = {}
  for (const peer of members) {
    try {
      peerMap[peer] = peer === self ? await local() : await calls.collectGarbage(peer, options)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!isRefusal(error)) peerMap[peer] = { peer, peername: lastKnown(peer).peername, keys: [], error: errorText(error) }
    }
  }
  return { peerMap }
}
