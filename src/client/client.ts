import type { Cid } from '../domain/cid.ts'
import type { Alert, Metric } from '../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Pin, PinOptions, PinType } from '../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../domain/repository.ts'
import type { GlobalPinInfo, TrackerStatus } from '../domain/status.ts'
import type { AddOptions } from './add-options.ts'
import { ItemStream, type Received } from './item-stream.ts'
import { requests, type RequestBody, type SingleRequest, type StreamRequest } from './requests.ts'
import { Requester, type ClientOptions } from './requester.ts'

/** Per call: every call that can wait takes a signal. */
export interface CallOptions { readonly signal?: AbortSignal | undefined }

/**
 * The REST API of a cluster peer (spec/rest-api.md), one method per endpoint. Needs nothing of
 * Node: in a browser it takes a transport over `fetch`.
 *
 * Every method fails with ApiError: with the peer's status and message, or with status 0 when no
 * host of the list answered.
 */
export class Client {
  readonly #requester: Requester

  constructor (options: ClientOptions) {
    this.#requester = new Requester(options)
  }

  id (options?: CallOptions): Promise<PeerInformation> { return this.#value(requests.id(), options) }
  async version (options?: CallOptions): Promise<string> { return (await this.#value(requests.version(), options)).version }
  /** Resolves when the peer answers. */
  health (options?: CallOptions): Promise<undefined> { return this.#value(requests.health(), options) }

  peers (options?: CallOptions): ItemStream<PeerInformation> { return this.stream(requests.peers(), options) }
  addPeer (peer: PeerId, options?: CallOptions): Promise<PeerInformation> { return this.#value(requests.addPeer(peer), options) }
  removePeer (peer: PeerId, options?: CallOptions): Promise<undefined> { return this.#value(requests.removePeer(peer), options) }

  pin (cid: Cid, pinOptions: PinOptions, options?: CallOptions): Promise<Pin> { return this.#value(requests.pinCid(cid, pinOptions), options) }
  /** Pins what a path such as `/ipfs/bafy…/file` leads to. */
  pinPath (path: string, pinOptions: PinOptions, options?: CallOptions): Promise<Pin> { return this.#value(requests.pin(path, pinOptions), options) }
  unpin (cid: Cid, options?: CallOptions): Promise<Pin> { return this.#value(requests.unpinCid(cid), options) }
  unpinPath (path: string, options?: CallOptions): Promise<Pin> { return this.#value(requests.unpin(path), options) }

  /** The pinset. */
  allocations (types: readonly PinType[] | 'all', options?: CallOptions): ItemStream<Pin> { return this.stream(requests.allocations(types), options) }
  allocation (cid: Cid, options?: CallOptions): Promise<Pin> { return this.#value(requests.allocation(cid), options) }

  status (cid: Cid, local: boolean, options?: CallOptions): Promise<GlobalPinInfo> { return this.#value(requests.status(cid, local), options) }
  statusOf (cids: readonly Cid[], local: boolean, options?: CallOptions): ItemStream<GlobalPinInfo> { return this.stream(requests.statusOf(cids, local), options) }
  /** The status of everything that matches `filter`, 0 for all. */
  statusAll (filter: TrackerStatus, local: boolean, options?: CallOptions): ItemStream<GlobalPinInfo> { return this.stream(requests.statusAll(filter, local), options) }
  recover (cid: Cid, local: boolean, options?: CallOptions): Promise<GlobalPinInfo> { return this.#value(requests.recover(cid, local), options) }
  recoverAll (local: boolean, options?: CallOptions): ItemStream<GlobalPinInfo> { return this.stream(requests.recoverAll(local), options) }

  /** Adds the files of a multipart body (see multipart.ts). */
  add (body: RequestBody, addOptions: AddOptions, options?: CallOptions): ItemStream<AddedOutput> { return this.stream(requests.add(body, addOptions), options) }
  collectGarbage (local: boolean, options?: CallOptions): Promise<GlobalRepositoryCollection> { return this.#value(requests.collectGarbage(local), options) }

  connectGraph (options?: CallOptions): Promise<ConnectGraph> { return this.#value(requests.connectGraph(), options) }
  alerts (options?: CallOptions): Promise<readonly Alert[]> { return this.#value(requests.alerts(), options) }
  /** Traffic by protocol. */
  bandwidth (options?: CallOptions): Promise<Readonly<Record<string, Bandwidth>>> { return this.#value(requests.bandwidth(), options) }
  metricNames (options?: CallOptions): Promise<readonly string[]> { return this.#value(requests.metricNames(), options) }
  metrics (name: string, options?: CallOptions): Promise<readonly Metric[]> { return this.#value(requests.metrics(name), options) }
  /** A bearer token for the credentials of this client. */
  token (options?: CallOptions): Promise<string> { return this.#value(requests.token(), options) }

  /** Sends a request of `requests.ts` and gives the JSON with the value. */
  receive<T> (request: SingleRequest<T>, options: CallOptions = {}): Promise<Received<T>> {
    return this.#requester.single(request, options.signal)
  }

  /** Like {@link receive}, for streamed answers. */
  stream<T> (request: StreamRequest<T>, options: CallOptions = {}): ItemStream<T> {
    return new ItemStream(() => this.#requester.stream(request, options.signal))
  }

  async #value<T> (request: SingleRequest<T>, options: CallOptions | undefined): Promise<T> {
    return (await this.receive(request, options)).value
  }
}
