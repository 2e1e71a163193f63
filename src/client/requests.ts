import { invalidData } from '../codec/json.ts'
import type { Message } from '../codec/message.ts'
import {
  AddedOutputMessage, AlertMessage, BandwidthMessage, ConnectGraphMessage, GlobalPinInfoMessage, GlobalRepositoryCollectionMessage,
  MetricMessage, PeerInformationMessage, PinMessage, VersionMessage,
} from '../codec/messages.ts'
import type { Cid } from '../domain/cid.ts'
import type { Alert, Metric } from '../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Pin, PinOptions, PinType } from '../domain/pin.ts'
import type { GlobalRepositoryCollection } from '../domain/repository.ts'
import type { GlobalPinInfo, TrackerStatus } from '../domain/status.ts'
import { addQuery, type AddOptions } from './add-options.ts'
import type { HttpRequest } from './http-transport.ts'
import { encodePath, encodeQuery, pinOptionsQuery, pinTypeFilter, sorted, statusFilterText, type Query } from './query.ts'

/** A call of the API as data: what to send, and what the JSON of the answer means. */
export interface ApiRequest<T> {
  readonly method: HttpRequest['method']
  /** Path and query, escaped. */
  readonly target: string
  /** @throws ClusterError `INVALID_WIRE_DATA` */
  readonly decode: (json: unknown) => T
  /** True when success may be an empty body; `decode` then gets undefined. */
  readonly hasNoContent?: true
  /** Text or a body that can be made again for another host. */
  readonly body?: RequestBody
}

export interface RequestBody {
  readonly contentType: string
  readonly chunks: () => AsyncIterable<Uint8Array>
}

/** A request that is answered with one value. */
export type SingleRequest<T> = ApiRequest<T>
/** A request that is answered with a value per line; `decode` reads one of them. */
export type StreamRequest<T> = ApiRequest<T>

/** Every endpoint of the REST API (spec/rest-api.md 1.1), one function each. */
export const requests = {
  id: (): SingleRequest<PeerInformation> => get('/id', PeerInformationMessage),
  version: (): SingleRequest<{ readonly version: string }> => get('/version', VersionMessage),
  health: (): SingleRequest<undefined> => ({ method: 'GET', target: '/health', decode: () => undefined, hasNoContent: true }),

  peers: (): StreamRequest<PeerInformation> => get('/peers', PeerInformationMessage),
  addPeer: (peer: PeerId): SingleRequest<PeerInformation> => ({
    method: 'POST', target: '/peers', decode: PeerInformationMessage.decodeJson, body: jsonBody({ peer_id: peer }),
  }),
  removePeer: (peer: PeerId): SingleRequest<undefined> => ({ method: 'DELETE', target: `/peers/${peer}`, decode: () => undefined, hasNoContent: true }),

  /** `path` is of the form `/ipfs/…`, `/ipns/…` or `/ipld/…`. */
  pin: (path: string, options: PinOptions): SingleRequest<Pin> =>
    post(`/pins${encodePath(path)}?${encodeQuery(sorted(pinOptionsQuery(options)))}`, PinMessage),
  pinCid: (cid: Cid, options: PinOptions): SingleRequest<Pin> =>
    post(`/pins/${cid}?${encodeQuery(sorted(pinOptionsQuery(options)))}`, PinMessage),
  unpin: (path: string): SingleRequest<Pin> => ({ method: 'DELETE', target: `/pins${encodePath(path)}`, decode: PinMessage.decodeJson }),
  unpinCid: (cid: Cid): SingleRequest<Pin> => ({ method: 'DELETE', target: `/pins/${cid}`, decode: PinMessage.decodeJson }),

  allocations: (types: readonly PinType[] | 'all'): StreamRequest<Pin> => get(withQuery('/allocations', [['filter', pinTypeFilter(types)]]), PinMessage),
  allocation: (cid: Cid): SingleRequest<Pin> => get(`/allocations/${cid}`, PinMessage),

  status: (cid: Cid, local: boolean): SingleRequest<GlobalPinInfo> => get(`/pins/${cid}?local=${local}`, GlobalPinInfoMessage),
  statusOf: (cids: readonly Cid[], local: boolean): StreamRequest<GlobalPinInfo> => get(`/pins?local=${local}&filter=&cids=${cids.join(',')}`, GlobalPinInfoMessage),
  statusAll: (filter: TrackerStatus, local: boolean): StreamRequest<GlobalPinInfo> =>
    get(withQuery('/pins', [['local', String(local)], ['filter', statusFilterText(filter)], ['cids', '']]), GlobalPinInfoMessage),
  recover: (cid: Cid, local: boolean): SingleRequest<GlobalPinInfo> => post(`/pins/${cid}/recover?local=${local}`, GlobalPinInfoMessage),
  recoverAll: (local: boolean): StreamRequest<GlobalPinInfo> => post(`/pins/recover?local=${local}`, GlobalPinInfoMessage),

  add: (body: RequestBody, options: AddOptions): StreamRequest<AddedOutput> => ({
    method: 'POST', target: withQuery('/add', addQuery(options)), decode: AddedOutputMessage.decodeJson, body,
  }),
  collectGarbage: (local: boolean): SingleRequest<GlobalRepositoryCollection> => post(`/ipfs/gc?local=${local}`, GlobalRepositoryCollectionMessage),

  connectGraph: (): SingleRequest<ConnectGraph> => get('/health/graph', ConnectGraphMessage),
  alerts: (): SingleRequest<readonly Alert[]> => ({ method: 'GET', target: '/health/alerts', decode: listOf(AlertMessage) }),
  bandwidth: (): SingleRequest<Readonly<Record<string, Bandwidth>>> => ({ method: 'GET', target: '/health/bandwidth', decode: mapOf(BandwidthMessage) }),
  metricNames: (): SingleRequest<readonly string[]> => ({ method: 'GET', target: '/monitor/metrics', decode: names }),
  metrics: (name: string): SingleRequest<readonly Metric[]> => ({ method: 'GET', target: `/monitor/metrics${encodePath(`/${name}`)}`, decode: listOf(MetricMessage) }),

  /** A token that stands for the credentials of the request. */
  token: (): SingleRequest<string> => ({ method: 'POST', target: '/token', decode: token }),
} as const

function get<T> (target: string, message: Message<T>): ApiRequest<T> {
  return { method: 'GET', target, decode: message.decodeJson }
}

function post<T> (target: string, message: Message<T>): ApiRequest<T> {
  return { method: 'POST', target, decode: message.decodeJson }
}

function withQuery (path: string, query: Query): string { return `${path}?${encodeQuery(query)}` }

function jsonBody (value: unknown): RequestBody {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`)
  return { contentType: 'application/json', async * chunks () { yield bytes } }
}

function listOf<T> (message: Message<T>): (json: unknown) => readonly T[] {
  return json => array(json).map(item => message.decodeJson(item))
}

function mapOf<T> (message: Message<T>): (json: unknown) => Readonly<Record<string, T>> {
  return json => {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalidData('expected an object')
    return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, message.decodeJson(item)]))
  }
}

function names (json: unknown): readonly string[] {
  return array(json).map(name => {
    if (typeof name !== 'string') throw invalidData('expected a list of names')
    return name
  })
}

/** The reference writes a list that was never filled as null. */
function array (json: unknown): readonly unknown[] {
  if (json === null) return []
  if (!Array.isArray(json)) throw invalidData('expected a list')
  return json as readonly unknown[]
}

function token (json: unknown): string {
  const value = typeof json === 'object' && json !== null && 'token' in json ? json.token : undefined
  if (typeof value !== 'string') throw invalidData('expected a token')
  return value
}
