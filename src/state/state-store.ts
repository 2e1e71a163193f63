import type { Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin, PinType } from '../domain/pin.ts'
import type { TrackerStatus } from '../domain/status.ts'
import type { Time } from '../domain/time.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** What of the pinset to list, in the order of `compareCids`. */
export interface PinsetQuery {
  /** Start after this CID. */
  readonly after?: Cid
  readonly limit?: number
  /** Only these types; all when absent. */
  readonly types?: ReadonlySet<PinType>
  readonly signal?: AbortSignal | undefined
}

/** A pin as an object, or as its protobuf bytes. */
export type StoredPin = { readonly pin: Pin } | { readonly value: Uint8Array }

/** A pin and its protobuf bytes; those of a change that is not in the store yet are not known. */
export interface ListedPin {
  readonly cid: Cid
  /** May be made when it is asked for. */
  readonly pin: Pin
  readonly value: Uint8Array | undefined
  /** What the pinset alone says of it on a peer. */
  expectedStatus (peer: PeerId): TrackerStatus
}

/** Reading the pinset. Reads see every change that was acknowledged before. */
export interface StateStore {
  get (cid: Cid): Promise<Pin | undefined>
  getMany (cids: readonly Cid[]): Promise<Array<Pin | undefined>>
  has (cid: Cid): Promise<boolean>
  /** The pinset as of the call, some hundred pins at a time, at constant memory; who rests for a minute gets what is there when he goes on. */
  list (query: PinsetQuery): AsyncIterable<Pin[]>
  /** As {@link list}, with pins as they are stored where that is cheaper: for readers that need no objects. */
  listStored? (query: PinsetQuery): AsyncIterable<StoredPin[]>
  /** As {@link list}, with the pins as they are stored: of all types. */
  listBoth? (query: Omit<PinsetQuery, 'types'>): AsyncIterable<ListedPin[]>
  /** Number of pins; kept, not counted. */
  count (): number
  /** Pins that name `peer` in their allocations (not those pinned everywhere), from an index. */
  allocatedTo (peer: PeerId, query: PinsetQuery): AsyncIterable<Cid[]>
  /** Cluster DAGs of sharded content, from an index. */
  clusterDags (options: CallOptions): AsyncIterable<Cid[]>
  /** Peers that are named in allocations, from the same index: one read for each, at most `limit`. */
  holders? (limit: number): Promise<PeerId[]>
  /** Pins that expired before `now`, the first to expire first, from an index; some may be gone meanwhile. */
  expired? (now: Time, options: CallOptions): AsyncIterable<Cid[]>
}
