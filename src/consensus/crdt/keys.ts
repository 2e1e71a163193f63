import { hash } from 'node:crypto'
import { decodeBase32, encodeBase32 } from '../../domain/base32.ts'

/** Store keys of the replica (spec/wire.md 7), under the datastore namespace (`/c` unless configured). */
export interface ReplicaKeys {
  /** Raw bytes of a delta node. `multihash` is the base32 text of {@link multihashKey}. */
  block (multihash: string): string
  /** Marks a delta node whose ancestors are all merged. */
  processed (multihash: string): string
  readonly headPrefix: string
  head (multihash: string): string
  readonly version: string
  readonly dirty: string
  /** `key` with its leading slash, `block` with its leading slash. */
  element (key: string, block: string): string
  elementPrefix (key: string): string
  tombstone (key: string, block: string): string
  tombstonePrefix (key: string): string
  value (key: string): string
  priority (key: string): string
}

export function replicaKeys (namespace: string): ReplicaKeys {
  const set = `${namespace}/s`
  return {
    block: multihash => `${namespace}/b/blocks/${multihash}`,
    processed: multihash => `${namespace}/b/${multihash}`,
    headPrefix: `${namespace}/h/`,
    head: multihash => `${namespace}/h/${multihash}`,
    version: `${namespace}/crdt_version`,
    dirty: `${namespace}/d`,
    element: (key, block) => `${set}/s${key}${block}`,
    elementPrefix: key => `${set}/s${key}/`,
    tombstone: (key, block) => `${set}/t${key}${block}`,
    tombstonePrefix: key => `${set}/t${key}/`,
    value: key => `${set}/k${key}/v`,
    priority: key => `${set}/k${key}/p`,
  }
}

export const suspectPrefix = '/flotilla/suspects'

/** Notes that strays alone may keep this key (with its slash). */
export function suspectKey (key: string): string { return suspectPrefix + key }

/** The text of a multihash in store keys and block IDs. */
export function multihashKey (multihash: Uint8Array): string {
  return encodeBase32(multihash, 'upper')
}

/** The SHA-256 digest of a block. */
export function digestBytes (block: Uint8Array): Uint8Array {
  return hash('sha256', block, 'buffer')
}

/** The text of the multihash with this SHA-256 digest. */
export function multihashOfDigest (digest: Uint8Array): string {
  return multihashKey(Buffer.concat([sha256Prefix, digest]))
}

/** The digest in the text of a multihash. */
export function digestOf (multihash: string): Uint8Array {
  return (decodeBase32(multihash, 0, 'upper') as Uint8Array).subarray(sha256Prefix.length)
}

/** Code and length of SHA-256 in a multihash. */
const sha256Prefix = Uint8Array.of(0x12, 0x20)
