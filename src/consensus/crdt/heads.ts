import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as createDigest, decode as decodeDigest } from 'multiformats/hashes/digest'
import { decodeBase32 } from '../../domain/base32.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { prefixEnd, readVarint, writeVarint } from './encoding.ts'
import { multihashKey, type ReplicaKeys } from './keys.ts'

const dagPbCode = 0x70
const fingerprintKey = '/flotilla/heads'

/** Lets the next start take the folder for one that another program has written: what we keep beside its keys is made anew. */
export const disownFolder: StoreOperation = { type: 'del', key: fingerprintKey }

export interface Head { readonly cid: CID, readonly height: number }

/** The newest nodes of the DAG, with the height of each: what the next delta follows (spec/wire.md 7). */
export class Heads {
  readonly #keys: ReplicaKeys
  #heads: ReadonlyMap<string, Head> = new Map()
  #highestSeen = 0

  constructor (keys: ReplicaKeys) { this.#keys = keys }

  /**
   * Reads the heads of an earlier run. Resolves with whether they are those that this program
   * left: another one may have written to the folder in between, and knows nothing of our own keys.
   */
  async load (store: Store): Promise<boolean> {
    const heads = new Map<string, Head>()
    for await (const entries of store.iterate({ gte: this.#keys.headPrefix, lt: prefixEnd(this.#keys.headPrefix) })) {
      for (const { key, value } of entries) {
        const name = key.slice(this.#keys.headPrefix.length)
        const multihash = decodeBase32(name, 0, 'upper')
        if (multihash === undefined) throw new ClusterError('STORE_DAMAGED', `the datastore holds a head with a bad name (${key}): restore it with "ipfs-cluster-service state import"`)
        const digest = decodeDigest(multihash)
        heads.set(name, { cid: CID.createV1(dagPbCode, createDigest(digest.code, digest.digest)), height: readVarint(value) })
      }
    }
    this.#take(heads)
    const stored = await store.get(fingerprintKey)
    return stored === undefined ? heads.size === 0 : Buffer.compare(stored, fingerprint(heads)) === 0
  }

  /** In the order of their bytes, so that equal sets give equal nodes. */
  cids (): CID[] {
    return [...this.#heads.values()].map(head => head.cid).toSorted((a, b) => Buffer.compare(a.bytes, b.bytes))
  }

  get size (): number { return this.#heads.size }

  maxHeight (): number {
    let height = 0
    for (const head of this.#heads.values()) height = Math.max(height, head.height)
    return height
  }

  /**
   * The greatest height since this process began, also of heads that a failing disk has lost
   * since: users have seen what they brought, and what they say then must win over it.
   */
  get highestSeen (): number { return this.#highestSeen }

  /** Takes a height that users have seen in an earlier run. */
  saw (height: number): void { this.#highestSeen = Math.max(this.#highestSeen, height) }

  has (multihash: string): boolean { return this.#heads.has(multihash) }

  /** The multihashes of the heads, as they stand in keys. */
  names (): string[] { return [...this.#heads.keys()] }

  /** A hash of all heads: equal where they are. */
  fingerprint (): string { return Buffer.from(fingerprint(this.#heads)).toString('hex') }

  /** Notes that the heads are those that this program left. */
  claim (): StoreOperation { return { type: 'put', key: fingerprintKey, value: fingerprint(this.#heads) } }

  /** A change of the heads, to be made step by step and then written. */
  change (): HeadChange { return new HeadChange(this.#keys, this.#heads, heads => { this.#take(heads) }) }

  #take (heads: ReadonlyMap<string, Head>): void {
    this.#heads = heads
    this.saw(this.maxHeight())
  }
}

/** Heads as they will be: {@link operations} says what to write, {@link apply} follows when that is done. */
export class HeadChange {
  readonly #keys: ReplicaKeys
  readonly #before: ReadonlyMap<string, Head>
  readonly #after: Map<string, Head>
  readonly #apply: (heads: ReadonlyMap<string, Head>) => void

  constructor (keys: ReplicaKeys, before: ReadonlyMap<string, Head>, apply: (heads: ReadonlyMap<string, Head>) => void) {
    this.#keys = keys
    this.#before = before
    this.#after = new Map(before)
    this.#apply = apply
  }

  /** A node takes the place of the heads that it follows. */
  add (cid: CID, height: number, links: readonly CID[]): void {
    this.remove(links)
    this.#after.set(multihashKey(cid.multihash.bytes), { cid, height })
  }

  /** Nodes that another one follows are no heads. */
  remove (links: readonly CID[]): void {
    for (const link of links) this.#after.delete(multihashKey(link.multihash.bytes))
  }

  operations (): StoreOperation[] {
    const operations: StoreOperation[] = []
    for (const name of this.#before.keys()) if (!this.#after.has(name)) operations.push({ type: 'del', key: this.#keys.head(name) })
    for (const [name, { height }] of this.#after) if (!this.#before.has(name)) operations.push({ type: 'put', key: this.#keys.head(name), value: writeVarint(height) })
    if (operations.length > 0) operations.push({ type: 'put', key: fingerprintKey, value: fingerprint(this.#after) })
    return operations
  }

  apply (): void { this.#apply(this.#after) }
}

function fingerprint (heads: ReadonlyMap<string, Head>): Uint8Array {
  return createHash('sha256').update([...heads.keys()].toSorted().join('\n')).digest()
}
