import * as fc from 'fast-check'
import { cidFromBytes } from '../src/domain/cid.ts'
import type { Alert, Metric } from '../src/domain/metric.ts'
import { parseMultiaddress } from '../src/domain/multiaddress.ts'
import type { AddedOutput, Bandwidth, ConnectGraph, PeerInformation } from '../src/domain/peer.ts'
import { peerIdFromBytes } from '../src/domain/peer-id.ts'
import { pinTypes, type Pin, type PinOptions } from '../src/domain/pin.ts'
import type { GlobalRepositoryCollection, RepositoryCollection } from '../src/domain/repository.ts'
import { TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo } from '../src/domain/status.ts'

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** CIDs of both versions, usual codecs and hashes, and of small identity content. */
export const cid = fc.oneof(
  digest.map((bytes) => cidFromBytes(Uint8Array.of(0x12, 0x20, ...bytes))),
  fc.tuple(fc.constantFrom(0x55, 0x70, 0x71), fc.constantFrom(0x12, 0x1e), digest).map(([codec, hash, bytes]) => cidFromBytes(Uint8Array.of(1, codec, hash, 0x20, ...bytes))),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => cidFromBytes(Uint8Array.of(1, 0x55, 0, bytes.length, ...bytes))),
)

export const peerId = fc.oneof(
  digest.map((bytes) => peerIdFromBytes(Uint8Array.of(0, 0x24, 8, 1, 0x12, 0x20, ...bytes))),
  digest.map((bytes) => peerIdFromBytes(Uint8Array.of(0x12, 0x20, ...bytes))),
)

export const multiaddress = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(65_535), peerId).map(([host, port, peer]) => parseMultiaddress(`/ip4/${host}/tcp/${port}/p2p/${peer}`)),
  fc.tuple(fc.ipV6(), fc.nat(65_535)).map(([host, port]) => parseMultiaddress(`/ip6/${host}/udp/${port}/quic-v1`)),
  fc.tuple(fc.domain(), fc.nat(65_535)).map(([host, port]) => parseMultiaddress(`/dns4/${host}/tcp/${port}/wss`)),
)

/** Text with everything that needs care in JSON, and without lone surrogates: the border takes them out. */
export const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 12 }).map((value) => value.toWellFormed()),
  fc.constantFrom('', '<&>', '\u2028\u2029', '"\\', '\u0000\u001f\u007f', 'a'.repeat(31), 'a'.repeat(32), 'é'.repeat(16), '__proto__'),
)

/** Moments to the microsecond, as wires carry them; unset among them. */
export const time = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
  fc.integer({ min: 1, max: 4_000_000_000_000_000 }).map((micros) => micros / 1000),
  fc.integer({ min: -2_000_000_000, max: -1 }).map((seconds) => seconds * 1000),
)

/** Moments that protobuf keeps. */
export const wholeSeconds = time.map((value) => Math.floor(value / 1000) * 1000)

const int32 = fc.oneof(fc.integer({ min: -40, max: 300 }), fc.integer())
const size = fc.oneof(fc.nat(70_000), fc.maxSafeNat())
/** Records as our own code makes them: plain objects. */
const record = <T extends object> (shape: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> => fc.record(shape, { noNullPrototype: true }) as unknown as fc.Arbitrary<T>
const unknownOr = <T> (value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
const listOrNull = <T> (value: fc.Arbitrary<T>): fc.Arbitrary<T[] | null> => fc.option(fc.array(value, { maxLength: 18 }))
const metadata = fc.dictionary(text, text, { maxKeys: 18, noNullPrototype: true })

export const pinOptions: fc.Arbitrary<PinOptions> = record({
  replicationFactorMin: int32,
  replicationFactorMax: int32,
  name: text,
  mode: fc.constantFrom('recursive', 'direct'),
  shardSize: size,
  userAllocations: listOrNull(peerId),
  expireAt: time,
  metadata: fc.option(metadata),
  pinUpdate: unknownOr(cid),
  origins: listOrNull(multiaddress),
})

export const pin: fc.Arbitrary<Pin> = fc.tuple(pinOptions, record({
  cid,
  type: fc.constantFrom(...pinTypes),
  allocations: listOrNull(peerId),
  maxDepth: fc.constantFrom(-1, 0, 1, 5),
  reference: unknownOr(cid),
  timestamp: time,
})).map(([options, rest]) => ({ ...options, ...rest }))

/** Pins as the state gives them back: what is not stored is absent, lists are never null, metadata never empty. */
export const storedPin: fc.Arbitrary<Pin> = fc.tuple(pin, wholeSeconds, wholeSeconds).map(([value, expireAt, timestamp]) => ({
  ...value,
  mode: value.maxDepth === 0 ? 'direct' : 'recursive',
  userAllocations: null,
  expireAt,
  timestamp,
  metadata: value.metadata === null || Object.keys(value.metadata).length === 0 ? null : value.metadata,
  origins: value.origins ?? [],
  allocations: value.allocations ?? [],
}))

export const peerPinStatus: fc.Arbitrary<PeerPinStatus> = record({
  peername: text,
  ipfsPeerId: unknownOr(peerId),
  ipfsPeerAddresses: fc.option(fc.array(multiaddress, { minLength: 1, maxLength: 3 })),
  status: fc.constantFrom(...Object.values(TrackerStatus)),
  timestamp: time,
  error: text,
  attemptCount: int32,
  priorityPin: fc.boolean(),
})

const pinSummary = { cid, name: text, allocations: listOrNull(peerId), origins: listOrNull(multiaddress), created: time, metadata: fc.option(metadata) }

export const pinInfo: fc.Arbitrary<PinInfo> = fc.tuple(record({ ...pinSummary, peer: peerId }), peerPinStatus).map(([head, status]) => ({ ...head, ...status }))

const byPeer = <T> (value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> => fc.dictionary(peerId, value, { maxKeys: 3, noNullPrototype: true })

export const globalPinInfo: fc.Arbitrary<GlobalPinInfo> = record({ ...pinSummary, peerMap: byPeer(peerPinStatus) })

export const peerInformation: fc.Arbitrary<PeerInformation> = record({
  id: peerId,
  addresses: listOrNull(multiaddress),
  clusterPeers: listOrNull(peerId),
  clusterPeersAddresses: listOrNull(multiaddress),
  version: text,
  commit: text,
  rpcProtocolVersion: text,
  error: text,
  ipfs: record({ id: unknownOr(peerId), addresses: listOrNull(multiaddress), error: text }),
  peername: text,
})

export const metric: fc.Arbitrary<Metric> = record({
  name: text,
  peer: peerId,
  value: text,
  expire: time,
  valid: fc.boolean(),
  weight: fc.oneof(int32, fc.maxSafeInteger()),
  partitionable: fc.boolean(),
  receivedAt: time,
})

export const alert: fc.Arbitrary<Alert> = fc.tuple(metric, time).map(([missed, triggeredAt]) => ({ ...missed, triggeredAt }))

const rate = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
export const bandwidth: fc.Arbitrary<Bandwidth> = record({ totalIn: size, totalOut: size, rateIn: rate, rateOut: rate })

export const connectGraph: fc.Arbitrary<ConnectGraph> = record({
  clusterId: peerId,
  idToPeername: byPeer(text),
  ipfsLinks: byPeer(listOrNull(peerId)),
  clusterLinks: byPeer(fc.array(peerId, { maxLength: 3 })),
  clusterTrustLinks: byPeer(fc.boolean()),
  clusterToIpfs: byPeer(peerId),
})

export const repositoryCollection: fc.Arbitrary<RepositoryCollection> = record({
  peer: peerId,
  peername: text,
  keys: fc.array(record({ cid: unknownOr(cid), error: text }), { maxLength: 18 }),
  error: text,
})

export const globalRepositoryCollection: fc.Arbitrary<GlobalRepositoryCollection> = record({ peerMap: byPeer(repositoryCollection) })

export const addedOutput: fc.Arbitrary<AddedOutput> = record({
  name: text, cid: unknownOr(cid), bytes: size, size, allocations: fc.array(peerId, { maxLength: 3 }),
})
