import type { Alert, Metric } from '../domain/metric.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, IpfsId, PeerInformation } from '../domain/peer.ts'
import type { Pin, PinOptions } from '../domain/pin.ts'
import type { CollectedKey, GlobalRepositoryCollection, RepositoryCollection } from '../domain/repository.ts'
import { parseStatusFilter, statusName, type GlobalPinInfo, type PeerIdentity, type PeerPinStatus, type PinInfo, type TrackerStatus } from '../domain/status.ts'
import { list, nullableList, nullableRecord, record } from './containers.ts'
import { globalPinJson } from './global-pin-json.ts'
import { unexpected } from './json.ts'
import type { Kind } from './kind.ts'
import { pinCodec } from './pin-codec.ts'
import { pinFields, pinOptionFields } from './pin-schema.ts'
import { boolean, cid, float, integer, multiaddress, nanoseconds, optional, peerId, text, time, unsigned } from './scalars.ts'
import { field, message, nested, storedMessage, type Fields } from './schema.ts'

const peerIds = nullableList(peerId)
const multiaddresses = nullableList(multiaddress)
const labels = nullableRecord(text)

const status: Kind<TrackerStatus> = {
  ...integer(),
  jsonSchema: { type: 'string' },
  toJson: (value) => `"${statusName(value)}"`,
  fromJson (json) {
    if (typeof json !== 'string') throw unexpected('a status name', json)
    return parseStatusFilter(json) ?? 0
  },
}

export const PinOptionsMessage = message<PinOptions>('PinOptions', pinOptionFields)

/** A pin of the shared pinset (spec/rest-api.md 2.1, spec/wire.md 5.4 and 6.5). */
export const PinMessage = pinCodec(storedMessage<Pin>('Pin', pinFields))

const peerIdentityFields: Fields<PeerIdentity> = {
  peername: field(text, { json: 'peername', msgpack: 'pn?', describe: 'Name of the cluster peer; empty if unknown.' }),
  ipfsPeerId: field(optional(peerId), { json: 'ipfs_peer_id?', msgpack: 'i?', describe: 'The IPFS node of the peer.' }),
  ipfsPeerAddresses: field(multiaddresses, { json: 'ipfs_peer_addresses?', msgpack: 'ia?', describe: 'Where that node can be reached.' }),
}

const peerStateFields: Fields<Omit<PeerPinStatus, keyof PeerIdentity>> = {
  status: field(status, { json: 'status', msgpack: 'st?', describe: 'What the peer does with the content.' }),
  timestamp: field(time, { json: 'timestamp', msgpack: 'ts?', describe: 'Since when.' }),
  error: field(text, { json: 'error', msgpack: 'e?', describe: 'What went wrong.' }),
  attemptCount: field(integer(), { json: 'attempt_count', msgpack: 'a?', describe: 'How often it was tried.' }),
  priorityPin: field(boolean, { json: 'priority_pin', msgpack: 'y?', describe: 'True while it is in the priority queue.' }),
}

const peerPinStatusFields: Fields<PeerPinStatus> = { ...peerIdentityFields, ...peerStateFields }

/** The part of a status that is about one peer. */
export const PeerPinStatusMessage = message<PeerPinStatus>('PinInfoShort', peerPinStatusFields)

/** The status of a CID on one peer (spec/wire.md 5.4). */
export const PinInfoMessage = message<PinInfo>('PinInfo', {
  cid: field(cid, { json: 'cid', msgpack: 'c', describe: 'The content.' }),
  name: field(text, { json: 'name', msgpack: 'm?', describe: 'Name of the pin.' }),
  peer: field(peerId, { json: 'peer', msgpack: 'p?', describe: 'The cluster peer.' }),
  allocations: field(peerIds, { json: 'allocations', msgpack: 'o?', describe: 'Peers that hold the content.' }),
  origins: field(multiaddresses, { json: 'origins', msgpack: 'g?', describe: 'IPFS nodes known to have the content.' }),
  created: field(time, { json: 'created', msgpack: 't?', describe: 'Time of the pin.' }),
  metadata: field(labels, { json: 'metadata', msgpack: 'md?', describe: 'Metadata of the pin.' }),
  ...peerPinStatusFields,
})

const globalPinFields: Fields<Omit<GlobalPinInfo, 'peerMap'>> = {
  cid: field(cid, { json: 'cid', msgpack: 'c', describe: 'The content.' }),
  name: field(text, { json: 'name', msgpack: 'n', describe: 'Name of the pin.' }),
  allocations: field(peerIds, { json: 'allocations', msgpack: 'a?', describe: 'Peers that hold the content.' }),
  origins: field(multiaddresses, { json: 'origins', msgpack: 'g?', describe: 'IPFS nodes known to have the content.' }),
  created: field(time, { json: 'created', msgpack: 't?', describe: 'Time of the pin.' }),
  metadata: field(labels, { json: 'metadata', msgpack: 'm?', describe: 'Metadata of the pin.' }),
}

/** {@link GlobalPinInfoMessage} as its schema alone makes it. */
export const GlobalPinInfoSchema = message<GlobalPinInfo>('GlobalPinInfo', {
  ...globalPinFields,
  peerMap: field(record(nested(peerPinStatusFields)), { json: 'peer_map', msgpack: 'pm?', describe: 'The status on each peer, by peer ID.' }),
})

/** The status of a CID on all peers (spec/rest-api.md 2.2). */
export const GlobalPinInfoMessage: typeof GlobalPinInfoSchema = {
  ...GlobalPinInfoSchema,
  encodeJson: globalPinJson({
    pin: message<Omit<GlobalPinInfo, 'peerMap'>>('GlobalPinInfo', globalPinFields).encodeJson,
    identity: message<PeerIdentity>('PinInfoShort', peerIdentityFields).encodeJson,
    state: message<Omit<PeerPinStatus, keyof PeerIdentity>>('PinInfoShort', peerStateFields).encodeJson,
  }),
}

const ipfsIdFields: Fields<IpfsId> = {
  id: field(optional(peerId), { json: 'id?', msgpack: 'i?', describe: 'The IPFS node.' }),
  addresses: field(multiaddresses, { json: 'addresses', msgpack: 'a?', describe: 'Where it can be reached.' }),
  error: field(text, { json: 'error', msgpack: 'e?', describe: 'Why nothing is known of it.' }),
}

/** What a peer says of itself: `ID` (spec/rest-api.md 2.3, spec/wire.md 5.4). */
export const PeerInformationMessage = message<PeerInformation>('ID', {
  id: field(peerId, { json: 'id', msgpack: 'i?', describe: 'The peer.' }),
  addresses: field(multiaddresses, { json: 'addresses', msgpack: 'a?', describe: 'Where it can be reached.' }),
  clusterPeers: field(peerIds, { json: 'cluster_peers', msgpack: 'cp?', describe: 'The members it knows, itself among them.' }),
  clusterPeersAddresses: field(multiaddresses, { json: 'cluster_peers_addresses', msgpack: 'cpa?', describe: 'Addresses of the other members.' }),
  version: field(text, { json: 'version', msgpack: 'v?', describe: 'Version of the contract.' }),
  commit: field(text, { json: 'commit', msgpack: 'c?', describe: 'Source revision.' }),
  rpcProtocolVersion: field(text, { json: 'rpc_protocol_version', msgpack: 'rv?', describe: 'Protocol between peers.' }),
  error: field(text, { json: 'error', msgpack: 'e?', describe: 'Why the peer could not be asked.' }),
  ipfs: field(nested(ipfsIdFields), { json: 'ipfs', msgpack: 'ip?', describe: 'Its IPFS node.' }),
  peername: field(text, { json: 'peername', msgpack: 'pn?', describe: 'Its name.' }),
})

const metricFields: Fields<Metric> = {
  name: field(text, { json: 'name', msgpack: 'n?', describe: 'What was measured.' }),
  peer: field(peerId, { json: 'peer', msgpack: 'p?', describe: 'The peer that measured.' }),
  value: field(text, { json: 'value', msgpack: 'v?', describe: 'The value as text.' }),
  expire: field(nanoseconds, { json: 'expire', msgpack: 'e?', describe: 'When it no longer counts, in Unix nanoseconds.' }),
  valid: field(boolean, { json: 'valid', msgpack: 'd?', describe: 'False when measuring failed.' }),
  weight: field(integer(), { json: 'weight', msgpack: 'w?', describe: 'Larger is better for the allocator.' }),
  partitionable: field(boolean, { json: 'partitionable', msgpack: 'o?', describe: 'True when equal values form a group.' }),
  receivedAt: field(nanoseconds, { json: 'received_at', msgpack: 't?', describe: 'When it arrived, in Unix nanoseconds.' }),
}

export const MetricMessage = message<Metric>('Metric', metricFields)

export const AlertMessage = message<Alert>('Alert', {
  ...metricFields,
  triggeredAt: field(time, { json: 'triggered_at', msgpack: 'r?', describe: 'When the metric was missed.' }),
})

export const BandwidthMessage = message<Bandwidth>('Bandwidth', {
  totalIn: field(integer(), { json: 'total_in', msgpack: 'i?', describe: 'Bytes received.' }),
  totalOut: field(integer(), { json: 'total_out', msgpack: 'o?', describe: 'Bytes sent.' }),
  rateIn: field(float, { json: 'rate_in', msgpack: 'ri?', describe: 'Bytes received per second.' }),
  rateOut: field(float, { json: 'rate_out', msgpack: 'ro?', describe: 'Bytes sent per second.' }),
})

export const ConnectGraphMessage = message<ConnectGraph>('ConnectGraph', {
  clusterId: field(peerId, { json: 'cluster_id', msgpack: 'id', describe: 'The peer that was asked.' }),
  idToPeername: field(record(text), { json: 'id_to_peername', msgpack: 'ip?', describe: 'Names of the peers.' }),
  ipfsLinks: field(record(peerIds), { json: 'ipfs_links', msgpack: 'il?', describe: 'IPFS nodes and whom they are connected to.' }),
  clusterLinks: field(record(list(peerId)), { json: 'cluster_links', msgpack: 'cl?', describe: 'Peers and whom they are connected to.' }),
  clusterTrustLinks: field(record(boolean), { json: 'cluster_trust_links', msgpack: 'ctl?', describe: 'Peers that the asked peer trusts.' }),
  clusterToIpfs: field(record(peerId), { json: 'cluster_to_ipfs', msgpack: 'ci?', describe: 'The IPFS node of each peer.' }),
})

const collectedKeyFields: Fields<CollectedKey> = {
  cid: field(optional(cid), { json: 'key', msgpack: 'k?', describe: 'What was removed.' }),
  error: field(text, { json: 'error?', msgpack: 'e?', describe: 'Why it could not be.' }),
}

/** A repository of many small blocks loses more at once than any other list has. */
const maxCollectedKeys = 1_000_000

const repositoryCollectionFields: Fields<RepositoryCollection> = {
  peer: field(peerId, { json: 'peer', msgpack: 'p?', describe: 'The cluster peer.' }),
  peername: field(text, { json: 'peername', msgpack: 'pn?', describe: 'Its name.' }),
  keys: field(list(nested(collectedKeyFields), maxCollectedKeys), { json: 'keys', msgpack: 'k', describe: 'What was removed.' }),
  error: field(text, { json: 'error?', msgpack: 'e?', describe: 'Why the peer failed.' }),
}

export const RepositoryCollectionMessage = message<RepositoryCollection>('RepoGC', repositoryCollectionFields)

export const GlobalRepositoryCollectionMessage = message<GlobalRepositoryCollection>('GlobalRepoGC', {
  peerMap: field(record(nested(repositoryCollectionFields)), { json: 'peer_map', msgpack: 'pm?', describe: 'What happened on each peer.' }),
})

/** One line of the answer of `add`. */
export const AddedOutputMessage = message<AddedOutput>('AddedOutput', {
  name: field(text, { json: 'name', msgpack: 'n?', describe: 'Name of the file.' }),
  cid: field(optional(cid), { json: 'cid', msgpack: 'c', describe: 'The content; null on progress events.' }),
  bytes: field(unsigned, { json: 'bytes?', msgpack: 'b?', describe: 'Bytes read so far.' }),
  size: field(unsigned, { json: 'size?', msgpack: 's?', describe: 'Size of the whole DAG.' }),
  allocations: field(list(peerId), { json: 'allocations?', msgpack: 'a?', describe: 'Peers that got the blocks.' }),
})

export const VersionMessage = message<{ readonly version: string }>('Version', {
  version: field(text, { json: 'version', msgpack: 'v', describe: 'Version of the contract.' }),
})

export const ErrorMessage = message<{ readonly code: number, readonly message: string }>('Error', {
  code: field(integer(), { json: 'code', msgpack: 'o?', describe: 'HTTP status.' }),
  message: field(text, { json: 'message', msgpack: 'm?', describe: 'What went wrong.' }),
})
