import type { CID } from 'multiformats/cid'
import type { Cid } from '../domain/cid.ts'
import type { ClusterError } from '../domain/errors.ts'
import type { IpfsId, Multiaddress, PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import type { CollectedKey, RepositoryStat } from '../domain/repository.ts'
import type { CallOptions, Startable } from '../platform/lifecycle.ts'

/** How an IPFS node holds a CID. */
export type IpfsPinType = 'recursive' | 'direct' | 'indirect' | 'unpinned'

export interface IpfsPin { readonly cid: Cid, readonly type: 'recursive' | 'direct' }

/** A block on its way to an IPFS node. */
export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
  /** This process has made the CID from these bytes: a node in it need not compare them again. Never said of what came from elsewhere. */
  readonly isChecked?: boolean
  /**
   * Whoever took the block has finished with `bytes`, which may hold something else from now on.
   * Not calling it leaves the memory to the collection of garbage, which looks through the whole
   * heap for it: with large adds that took a third of the time.
   */
  readonly release?: (() => void) | undefined
}

export interface PinCallOptions extends CallOptions {
  /** Called with the number of blocks fetched so far whenever it grew. */
  readonly onProgress?: (blocks: number) => void
}

export interface PutCallOptions extends CallOptions {
  /** Called whenever the node says that it has stored a block; not every node does. */
  readonly onProgress?: () => void
}

/**
 * An IPFS node. All implementations pass `test/conformance/ipfs-connector.ts`.
 * Errors: `IPFS_UNREACHABLE` (no or no sensible answer), `IPFS_ANSWER` (the node's own refusal),
 * `IPFS_STALLED` (no progress for pin_timeout), `TIMED_OUT`, `CANCELLED` (the signal).
 */
export interface IpfsConnector extends Startable {
  readonly kind: 'kubo' | 'embedded'
  id (options?: CallOptions): Promise<IpfsId>
  /** Name and version of the node's program, for people. */
  version (options?: CallOptions): Promise<string>
  /** Pins as `pin` says (depth, origins to dial first, `pinUpdate`). Nothing to do when it is already so. */
  pin (pin: Pin, options?: PinCallOptions): Promise<void>
  /**
   * Pins many ordinary recursive pins at once; answers, in the same order, undefined or the
   * error of each. A pin with error code `IPFS_STALLED` should be tried alone by {@link pin}.
   */
  pinMany (pins: readonly Pin[], options?: PinCallOptions): Promise<Array<ClusterError | undefined>>
  /** Succeeds when it was not pinned. */
  unpin (cid: Cid, options?: CallOptions): Promise<void>
  unpinMany (cids: readonly Cid[], options?: CallOptions): Promise<Array<ClusterError | undefined>>
  pinStatus (cid: Cid, options?: CallOptions): Promise<IpfsPinType>
  /** All recursive and direct pins, in no order, in batches as they come. */
  listPins (options?: CallOptions): AsyncIterable<IpfsPin[]>
  /** Stores blocks as they come, with back-pressure; resolves when the node has all. */
  putBlocks (blocks: AsyncIterable<Block>, options?: PutCallOptions): Promise<void>
  getBlock (cid: Cid, options?: CallOptions): Promise<Uint8Array>
  /** The CID at the end of `/ipfs/…`, `/ipns/…` or `/ipld/…`; `/ipfs/<cid>` alone is answered without asking the node. */
  resolve (path: string, options?: CallOptions): Promise<Cid>
  repositoryStat (options?: CallOptions): Promise<RepositoryStat>
  garbageCollect (options?: CallOptions): AsyncIterable<CollectedKey>
  swarmPeers (options?: CallOptions): Promise<PeerId[]>
  connectSwarm (addresses: readonly Multiaddress[], options?: CallOptions): Promise<void>
  /** A value of the node's configuration by path, such as `Datastore/StorageMax`. */
  configKey (path: string, options?: CallOptions): Promise<unknown>
}
