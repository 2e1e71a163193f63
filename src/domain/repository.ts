import type { Cid } from './cid.ts'
import type { PeerId } from './peer.ts'

/** Size of an IPFS node's repository, in bytes. */
export interface RepositoryStat {
  readonly repoSize: number
  readonly storageMax: number
  readonly numberOfObjects: number
}

/** One thing that garbage collection removed, or could not. */
export interface CollectedKey {
  readonly cid: Cid | undefined
  readonly error: string
}

/** Garbage collection on one peer (spec/rest-api.md 2.4). */
export interface RepositoryCollection {
  readonly peer: PeerId
  readonly peername: string
  readonly keys: readonly CollectedKey[]
  readonly error: string
}

/** Garbage collection on all peers, keyed by peer ID. */
export interface GlobalRepositoryCollection {
  readonly peerMap: Readonly<Record<string, RepositoryCollection>>
}
