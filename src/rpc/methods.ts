import type { MsgpackValue } from '../codec/message.ts'
import { PeerInformationMessage, PinInfoMessage, PinMessage, RepositoryCollectionMessage, VersionMessage } from '../codec/messages.ts'
import { CidValue, NothingValue, PeerIdsValue, PeerLinksValue, PeerIdValue, RepositoryStatValue, SentBlockValue, sentBlockOverheadBytes, StatusFilterValue, type SentBlock } from '../codec/peer-messages.ts'
import { RangeReplyValue, StatusRangeValue } from '../codec/status-ranges.ts'

/** Who may call: everybody with the cluster's secret, or the peers that consensus trusts. */
export type Access = 'open' | 'trusted'

/** What stands on the wire in a call. What exceeds `maxBytes` is refused before it has arrived. */
export interface CallValue<T> extends MsgpackValue<T> {
  readonly maxBytes: number
  /** The bytes that a value needs at most, where it is large. */
  readonly roomFor?: (value: T) => number
}

interface NamedMethod<Request, Reply> {
  readonly service: string
  readonly method: string
  readonly access: Access
  readonly request: CallValue<Request>
  readonly reply: CallValue<Reply>
}

/** One request, one reply. */
export interface UnaryMethod<Request, Reply> extends NamedMethod<Request, Reply> {
  readonly shape: 'unary'
  /** The caller gives up after this time. */
  readonly timeoutMs: number
}

/** How many requests a stream carries, in the contract. */
export type RequestCount = 'none' | 'one' | 'many'

/** A stream of requests and a stream of replies. */
export interface StreamMethod<Request, Reply> extends NamedMethod<Request, Reply> {
  readonly shape: 'stream'
  readonly requests: RequestCount
  /** The caller gives up when nothing has come for this time, at first and between replies. */
  readonly firstReplyMs: number
  readonly nextReplyMs: number
  /** True when we promise to answer in the order of `compareCids`. */
  readonly isOrdered: boolean
  /** True when each request is sent at once: the answer to it is waited for before there are others. */
  readonly isPrompt?: boolean
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** The largest block taken: what an archive may hold. IPFS nodes exchange 2 MiB, so that larger ones come to other nodes in no other way. */
const maxBlockBytes = 32 * mebibyte

const nothing = sized(NothingValue, kibibyte)
const cid = sized(CidValue, 2 * kibibyte)
const peerId = sized(PeerIdValue, kibibyte)
/** Metadata, origins and allocations of one pin have room in this many times over. */
const pin = sized(PinMessage, mebibyte)
const pinInfo = sized(PinInfoMessage, mebibyte)
/** Room for the addresses of thousands of members. */
const information = sized(PeerInformationMessage, 4 * mebibyte)
const peerIds = sized(PeerIdsValue, 4 * mebibyte)
/** All keys that one collection removed stand in one value. */
const collection = sized(RepositoryCollectionMessage, 64 * mebibyte)
const block: CallValue<SentBlock> = { ...sized(SentBlockValue, maxBlockBytes + sentBlockOverheadBytes), roomFor: ({ bytes }) => bytes.length + 128 }

/** A status or an ID is there within this time or not at all (spec/components.md 1.10). */
const shortMs = 15 * second
/**
 * The other peer looks through its whole pinset and may find nothing to say: how long that takes only
 * the caller can tell, who knows how many pins there are and watches whether that peer lives
 * (`cluster/status/status-all.ts`).
 */
const watchedMs = 24 * hour
/** What makes the other peer ask further peers, each of which has {@link shortMs}. */
const chainedMs = 30 * second

/**
 * Every method that a peer answers (spec/wire.md 5.2), by the name that this project has for it.
 * The reference's names and access policy; time limits are those of spec/components.md 1.10 where
 * it has one, else ours.
 */
export const methods = {
  id: unary('Cluster.ID', 'open', nothing, information, shortMs),
  idStream: stream('Cluster.IDStream', 'open', 'none', nothing, information, shortMs),
  version: unary('Cluster.Version', 'open', nothing, sized(VersionMessage, kibibyte), shortMs),
  addPeer: unary('Cluster.PeerAdd', 'open', peerId, information, chainedMs),
  members: stream('Cluster.Peers', 'trusted', 'none', nothing, information, chainedMs),
  /** Ours: what the graph needs of a peer, without its asking all others (README.md). */
  links: unary('Cluster.Links', 'trusted', nothing, sized(PeerLinksValue, mebibyte), shortMs),
  /** Moves the pins of the removed peer first. */
  removePeer: unary('Cluster.PeerRemove', 'trusted', peerId, nothing, 5 * minute),
  recoverAll: stream('Cluster.RecoverAllLocal', 'trusted', 'none', nothing, pinInfo, watchedMs),
  recoverLocal: unary('Cluster.RecoverLocal', 'trusted', cid, pinInfo, shortMs),
  /** As long as the IPFS node may take for it by default (`repogc_timeout`). */
  collectGarbage: unary('Cluster.RepoGCLocal', 'trusted', nothing, collection, 24 * hour),
  status: unary('PinTracker.Status', 'trusted', cid, pinInfo, shortMs),
  recover: unary('PinTracker.Recover', 'trusted', cid, pinInfo, shortMs),
  statusAll: { ...stream('PinTracker.StatusAll', 'trusted', 'one', sized(StatusFilterValue, 16), pinInfo, watchedMs), isOrdered: true },
  /** Ours: as `statusAll` without a filter, less what the asking peer can tell by itself (README.md). */
  statusRanges: { ...stream('PinTracker.StatusRanges', 'trusted', 'many', sized(StatusRangeValue, 4 * kibibyte), sized(RangeReplyValue, mebibyte), 5 * minute, minute), isOrdered: true, isPrompt: true },
  /** No reply but the end; the times count from the last block. Whoever adds is less patient, as far as there are other holders (`adder/block-sink.ts`). */
  putBlocks: stream('IPFSConnector.BlockStream', 'trusted', 'many', block, nothing, 15 * minute),
  repositoryStat: unary('IPFSConnector.RepoStat', 'trusted', nothing, sized(RepositoryStatValue, kibibyte), shortMs),
  swarmPeers: unary('IPFSConnector.SwarmPeers', 'trusted', nothing, peerIds, shortMs),
  addMember: unary('Consensus.AddPeer', 'trusted', peerId, nothing, chainedMs),
  removeMember: unary('Consensus.RmPeer', 'trusted', peerId, nothing, chainedMs),
  logPin: unary('Consensus.LogPin', 'trusted', pin, nothing, chainedMs),
  logUnpin: unary('Consensus.LogUnpin', 'trusted', pin, nothing, chainedMs),
} as const

export type MethodName = keyof typeof methods

/** Methods of the reference that it never answers over the network; they are known, so a call of one is refused, not lost. */
const closedMethods: Readonly<Record<string, readonly string[]>> = {
  Cluster: [
    'Alerts', 'BandwidthByProtocol', 'BlockAllocate', 'ConnectGraph', 'IPFSID', 'Join', 'PeersWithFilter', 'Pin', 'PinGet', 'PinPath', 'Pins', 'Recover', 'RecoverAll',
    'RepoGC', 'SendInformerMetrics', 'SendInformersMetrics', 'Status', 'StatusAll', 'StatusAllLocal', 'StatusLocal', 'Unpin', 'UnpinPath',
  ],
  PinTracker: ['PinQueueSize', 'RecoverAll', 'Track', 'Untrack'],
  IPFSConnector: ['BlockGet', 'ConfigKey', 'Pin', 'PinLs', 'PinLsCid', 'Resolve', 'Unpin'],
  Consensus: ['Peers'],
  PeerMonitor: ['LatestMetrics', 'MetricNames'],
}

/** A method by its name on the wire: ours, `closed`, or why there is none. */
export type Lookup = { readonly name: MethodName } | 'closed' | 'no such service' | 'no such method'

const services = new Map<string, Map<string, Lookup>>()
for (const [name, { service, method }] of Object.entries(methods)) serviceOf(service).set(method, { name: name as MethodName })
for (const [service, names] of Object.entries(closedMethods)) {
  for (const method of names) serviceOf(service).set(method, 'closed')
}

export function lookUp (service: string, method: string): Lookup {
  const known = services.get(service)
  return known === undefined ? 'no such service' : known.get(method) ?? 'no such method'
}

function serviceOf (name: string): Map<string, Lookup> {
  const known = services.get(name) ?? new Map<string, Lookup>()
  services.set(name, known)
  return known
}

function sized<T> ({ write, read }: MsgpackValue<T>, maxBytes: number): CallValue<T> {
  return { write, read, maxBytes }
}

function unary<Request, Reply> (name: string, access: Access, request: CallValue<Request>, reply: CallValue<Reply>, timeoutMs: number): UnaryMethod<Request, Reply> {
  return { shape: 'unary', ...nameParts(name), access, request, reply, timeoutMs }
}

function stream<Request, Reply> (name: string, access: Access, requests: RequestCount, request: CallValue<Request>, reply: CallValue<Reply>, firstReplyMs: number, nextReplyMs = firstReplyMs): StreamMethod<Request, Reply> {
  return { shape: 'stream', ...nameParts(name), access, requests, request, reply, firstReplyMs, nextReplyMs, isOrdered: false }
}

function nameParts (name: string): { service: string, method: string } {
  const [service = '', method = ''] = name.split('.')
  return { service, method }
}
