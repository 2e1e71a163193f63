import type { AddOptions, UploadedEntry } from '../adder/adder.ts'
import type { Cid } from '../domain/cid.ts'
import type { Alert, Metric } from '../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Pin, PinOptions, PinType } from '../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../domain/repository.ts'
import type { GlobalPinInfo, TrackerStatus } from '../domain/status.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** `local`: only what this peer knows of itself. */
export interface ScopeOptions extends CallOptions { readonly local?: boolean | undefined }

/**
 * What a cluster peer does for its users: the one door for REST, proxy, pinning service and the
 * library. All policy is behind it. Streams yield what they have and throw at the end when the
 * list could not be made complete.
 */
export interface ClusterOperations {
  readonly self: PeerId
  id (options?: CallOptions): Promise<PeerInformation>
  version (): string
  peers (options?: CallOptions): AsyncIterable<PeerInformation>
  addPeer (peer: PeerId, options?: CallOptions): Promise<PeerInformation>
  removePeer (peer: PeerId, options?: CallOptions): Promise<void>
  /** Answers the pin as submitted, when it is durable; the IPFS node has not pinned it yet. */
  pin (cid: Cid, pinOptions: PinOptions, options?: CallOptions): Promise<Pin>
  pinPath (path: string, pinOptions: PinOptions, options?: CallOptions): Promise<Pin>
  /** Answers the removed pin. */
  unpin (cid: Cid, options?: CallOptions): Promise<Pin>
  unpinPath (path: string, options?: CallOptions): Promise<Pin>
  pins (types: ReadonlySet<PinType> | undefined, options?: CallOptions): AsyncIterable<Pin[]>
  /**
   * The same as REST answers it: pieces of whole lines, one JSON pin a line, each with its newline
   * (UTF-8). For a pinset that can write them quicker than by making a `Pin` of every entry.
   */
  pinsEncoded? (types: ReadonlySet<PinType> | undefined, options?: CallOptions): AsyncIterable<Uint8Array>
  pinGet (cid: Cid, options?: CallOptions): Promise<Pin>
  status (cid: Cid, options?: ScopeOptions): Promise<GlobalPinInfo>
  statusAll (filter: TrackerStatus, options?: ScopeOptions): AsyncIterable<GlobalPinInfo[]>
  /** The same as REST answers it, as {@link pinsEncoded}. */
  statusesEncoded? (filter: TrackerStatus, options?: ScopeOptions): AsyncIterable<Uint8Array>
  recover (cid: Cid, options?: ScopeOptions): Promise<GlobalPinInfo>
  recoverAll (options?: ScopeOptions): AsyncIterable<GlobalPinInfo>
  add (entries: AsyncIterable<UploadedEntry>, addOptions: AddOptions, options?: CallOptions): AsyncIterable<AddedOutput>
  collectGarbage (options?: ScopeOptions): Promise<GlobalRepositoryCollection>
  connectGraph (options?: CallOptions): Promise<ConnectGraph>
  alerts (): Alert[]
  bandwidth (): Record<string, Bandwidth>
  metricNames (): string[]
  metrics (name: string): Metric[]
}
