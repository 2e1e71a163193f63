import type { Cid } from './cid.ts'
import type { Multiaddress, PeerId } from './peer.ts'
import type { Time } from './time.ts'

export type PinMode = 'recursive' | 'direct'

/** The kinds of pin with their bits (REST filter, msgpack). Protobuf has its own numbers (spec/wire.md 6.5). */
export const pinTypes = ['bad-type', 'pin', 'meta-pin', 'clusterdag-pin', 'shard-pin'] as const
export type PinType = typeof pinTypes[number]

/**
 * What a user asks for when pinning. Lists and maps keep the difference between "never given"
 * (`null`) and "empty" because the contract shows it (spec/rest-api.md 2.1).
 */
export interface PinOptions {
  /** Fewest and most peers that hold the content; -1 for all peers, 0 for the configured default. */
  readonly replicationFactorMin: number
  readonly replicationFactorMax: number
  readonly name: string
  readonly mode: PinMode
  /** Bytes; only used by sharded adds. */
  readonly shardSize: number
  /** Preferred holders; never stored. */
  readonly userAllocations: readonly PeerId[] | null
  /** The pin is removed after this moment; 0 for never. Stored in whole seconds. */
  readonly expireAt: Time
  readonly metadata: Readonly<Record<string, string>> | null
  /** The pin that this one replaces, so that the IPFS node can reuse what it has. */
  readonly pinUpdate: Cid | undefined
  /** Addresses of IPFS nodes known to have the content. */
  readonly origins: readonly Multiaddress[] | null
}

/** An item of the shared pinset. */
export interface Pin extends PinOptions {
  readonly cid: Cid
  readonly type: PinType
  /** Peers that hold the content; empty when every peer does. */
  readonly allocations: readonly PeerId[] | null
  /** -1 recursive, 0 direct, n levels. */
  readonly maxDepth: number
  /** A pin that this one belongs to (cluster DAG, previous shard). */
  readonly reference: Cid | undefined
  readonly timestamp: Time
}

export const defaultPinOptions: PinOptions = {
  replicationFactorMin: 0,
  replicationFactorMax: 0,
  name: '',
  mode: 'recursive',
  shardSize: 0,
  userAllocations: null,
  expireAt: 0,
  metadata: null,
  pinUpdate: undefined,
  origins: null,
}

/** A data pin of `cid` with `options`: max depth follows from the mode. */
export function pinWithOptions (cid: Cid, options: PinOptions, timestamp: Time): Pin {
  return { ...options, cid, type: 'pin', allocations: null, maxDepth: options.mode === 'direct' ? 0 : -1, reference: undefined, timestamp }
}

/** True when every peer of the cluster holds the pin. */
export function isPinnedEverywhere (pin: Pin): boolean {
  return pin.replicationFactorMin === -1 && pin.replicationFactorMax === -1
}

/** True when `peer` holds the pin: it is allocated, or the pin is everywhere (spec/components.md 5.2). */
export function isAllocatedTo (pin: Pin, peer: PeerId): boolean {
  return isPinnedEverywhere(pin) || pin.allocations === null || pin.allocations.length === 0 || pin.allocations.includes(peer)
}

export function isExpiredAt (pin: PinOptions, now: Time): boolean {
  return pin.expireAt !== 0 && pin.expireAt < now
}

/** Expired and to be removed by itself: parts of sharded content go with it, or stay with other content that has them too. */
export function isDueAt (pin: Pin, now: Time): boolean {
  return isExpiredAt(pin, now) && (pin.type === 'pin' || pin.type === 'meta-pin')
}
