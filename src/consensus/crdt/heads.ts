import { CID } from 'multiformats/cid'
import { create as createDigest, decode as decodeDigest } from 'multiformats/hashes/digest'
import { decodeBase32 } from '../../domain/base32.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { multihashKey, type ReplicaKeys } from './keys.ts'

const dagPbCode = 0x70

/** The newest nodes of the DAG, with the height of each: what the next delta follows (spec/wire.md 7). */
export class Heads {
  readonly #keys: ReplicaKeys
  readonly #heads = new Map<string, { cid: CID, height: number }>()

  constructor (keys: ReplicaKeys) { this.#keys = keys }

  /** Reads the heads of an earlier run. */
  async load (store: Store): Promise<void> {
    this.#heads.clear()
    for await (const entries of store.iterate({ gte: this.#keys.headPrefix, lt: prefixEnd(this.#keys.headPrefix) })) {
      for (const { key, value } of entries) {
        const name = key.slice(this.#keys.headPrefix.length)
        const multihash = decodeBase32(name, 0, 'upper')
        if (multihash === undefined) throw new ClusterError('STORE_DAMAGED', `the datastore holds a head with a bad name (${key}): restore it with "ipfs-cluster-service state import"`)
        const digest = decodeDigest(multihash)
        this.#heads.set(name, { cid: CID.createV1(dagPbCode, createDigest(digest.code, digest.digest)), height: readVarint(value) })
      }
    }
  }

  /** In the order of their names, so that equal sets give equal nodes. */
  cids (): CID[] {
    return [...this.#heads].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, head]) => head.cid)
  }

  get size (): number { return this.#heads.size }

  maxHeight (): number {
    let height = 0
    for (const head of this.#heads.values()) height = Math.max(height, head.height)
    return height
  }

  has (cid: CID): boolean { return this.#heads.has(multihashKey(cid.multihash.bytes)) }

  /** What the store has to do when `added` takes the place of `replaced`. {@link apply} follows when that is done. */
  operations (added: CID, height: number, replaced: readonly CID[]): StoreOperation[] {
    const operations: StoreOperation[] = replaced.map(cid => ({ type: 'del', key: this.#keys.head(multihashKey(cid.multihash.bytes)) }))
    operations.push({ type: 'put', key: this.#keys.head(multihashKey(added.multihash.bytes)), value: writeVarint(height) })
    return operations
  }

  apply (added: CID, height: number, replaced: readonly CID[]): void {
    for (const cid of replaced) this.#heads.delete(multihashKey(cid.multihash.bytes))
    this.#heads.set(multihashKey(added.multihash.bytes), { cid: added, height })
  }
}

/** The first key after all that begin with `prefix` (which ends in a slash). */
export function prefixEnd (prefix: string): string {
  return `${prefix.slice(0, -1)}0`
}

export function writeVarint (value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** 0 for no bytes. */
export function readVarint (bytes: Uint8Array): number {
  let value = 0
  for (let i = 0; i < bytes.length && i < 8; i++) {
    value += ((bytes[i] as number) & 127) * 2 ** (7 * i)
    if ((bytes[i] as number) < 128) break
  }
  return value
}
