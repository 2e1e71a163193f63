import { CID } from 'multiformats/cid'
import { create as createDigest, decode as decodeDigest } from 'multiformats/hashes/digest'
import { decodeBase32 } from '../../domain/base32.ts'
import { cidFromKey, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { blockIdOf, decodeDeltaNode, encodeDeltaNode, type Delta, type DeltaElement, type DeltaNode } from './delta.ts'
import { Heads, readVarint, writeVarint } from './heads.ts'
import { multihashKey, type ReplicaKeys } from './keys.ts'
import { mergeDelta, type KeyChange, type KeyFacts } from './merge.ts'

/** Version of the layout as the Go program counts it, plus one (spec/wire.md 7). */
const layoutVersion = 2
/** Elements of one key that are read: more would be an attack, a key has one per concurrent pin. */
const maxElementsOfKey = 10_000

/** What a change of one key means for the pinset. */
export interface ValueChange {
  readonly cid: Cid
  readonly value: Uint8Array | undefined
  readonly previous: Uint8Array | undefined
}

/** A node ready to be written: all store operations but those of index, journal and log. */
export interface PreparedNode {
  readonly node: DeltaNode
  readonly operations: StoreOperation[]
  /** Keys whose value is another now. */
  readonly changes: ValueChange[]
  /** Takes the new head in; to be called when the operations are on disk. */
  readonly applied: () => void
}

/**
 * The replicated set on a store: makes nodes from local changes and merges nodes of others. It
 * decides what to write; the caller adds what belongs to the same batch and writes it. One
 * preparation at a time: facts are read from the store, so the batch of the one before must be
 * written.
 */
export class Replica {
  readonly #store: Store
  readonly #keys: ReplicaKeys
  readonly heads: Heads

  constructor (store: Store, keys: ReplicaKeys) {
    this.#store = store
    this.#keys = keys
    this.heads = new Heads(keys)
  }

  /** @throws ClusterError `STORE_DAMAGED` when the layout is of a later version */
  async load (): Promise<void> {
    const version = await this.#store.get(this.#keys.version)
    if (version === undefined) await this.#store.batch([{ type: 'put', key: this.#keys.version, value: writeVarint(layoutVersion) }], { sync: true })
    else if (readVarint(version) > layoutVersion) throw new ClusterError('STORE_DAMAGED', 'the datastore was written by a later version: use that version, or restore the pins with "ipfs-cluster-service state import" into a new folder')
    await this.heads.load(this.#store)
  }

  /**
   * The node for local changes, or undefined when nothing would change (removals of what is not
   * there). `additions` by key (with its slash); `removals` are keys; a key stands in one of both.
   */
  async prepareLocal (additions: ReadonlyMap<string, Uint8Array>, removals: readonly string[]): Promise<PreparedNode | undefined> {
    const living = await this.#livingElements(removals)
    const tombstones: DeltaElement[] = living.flatMap(({ key, elements }) => elements.map(id => ({ key, id, value: nothing })))
    const elements: DeltaElement[] = [...additions].map(([key, value]) => ({ key, id: '', value }))
    if (elements.length === 0 && tombstones.length === 0) return undefined
    const delta: Delta = { elements, tombstones, priority: this.heads.maxHeight() + 1 }
    const parents = this.heads.cids()
    const node = encodeDeltaNode(delta, parents)
    const current = await this.#currentValues([...new Set([...elements, ...tombstones].map(element => element.key))])
    // All living elements of a removed key die here, so none can take over.
    const changes = mergeDelta(delta, node.blockId, key => ({ current: current.get(key) }))
    return this.#prepared(node, changes, parents)
  }

  /** The node of another peer, whose ancestors must be merged already. `replaced` are heads that it follows. */
  async prepareForeign (node: DeltaNode): Promise<PreparedNode> {
    const { delta } = node
    const keys = [...new Set([...delta.elements, ...delta.tombstones].map(element => element.key))]
    const current = await this.#currentValues(keys)
    const facts = new Map<string, KeyFacts>()
    const dying = new Set(delta.tombstones.map(tombstone => tombstone.key))
    const own = await this.#store.getMany(keys.map(key => this.#keys.tombstone(key, node.blockId)))
    for (const [i, key] of keys.entries()) {
      const tombstones = own[i] === undefined ? undefined : new Set([node.blockId])
      facts.set(key, { current: current.get(key), ...(tombstones && { tombstones }) })
    }
    for (const key of dying) facts.set(key, await this.#history(key, current.get(key)))
    const changes = mergeDelta(delta, node.blockId, key => facts.get(key) as KeyFacts)
    return this.#prepared(node, changes, node.links.filter(link => this.heads.has(link)))
  }

  async isProcessed (cid: CID): Promise<boolean> {
    return await this.#store.get(this.#keys.processed(multihashKey(cid.multihash.bytes))) !== undefined
  }

  /** The node of a block ID, from the store. */
  async node (blockId: string): Promise<DeltaNode | undefined> {
    const bytes = await this.#store.get(this.#keys.block(blockId.slice(1)))
    return bytes === undefined ? undefined : decodeDeltaNode(bytes)
  }

  #prepared (node: DeltaNode, changes: KeyChange[], replaced: readonly CID[]): PreparedNode {
    const operations: StoreOperation[] = []
    const valueChanges: ValueChange[] = []
    for (const change of changes) {
      for (const id of change.addedElements) operations.push({ type: 'put', key: this.#keys.element(change.key, id), value: nothing })
      for (const id of change.addedTombstones) operations.push({ type: 'put', key: this.#keys.tombstone(change.key, id), value: nothing })
      if (change.value === undefined) {
        if (change.previous === undefined) continue
        operations.push({ type: 'del', key: this.#keys.value(change.key) }, { type: 'del', key: this.#keys.priority(change.key) })
      } else if (change.isRewritten) {
        operations.push(
          { type: 'put', key: this.#keys.value(change.key), value: change.value },
          { type: 'put', key: this.#keys.priority(change.key), value: writeVarint(change.priority + 1) })
      }
      const cid = change.changed ? cidFromKey(change.key.slice(1)) : undefined
      if (cid !== undefined) valueChanges.push({ cid, value: change.value, previous: change.previous })
    }
    const multihash = node.blockId.slice(1)
    operations.push(
      { type: 'put', key: this.#keys.block(multihash), value: node.bytes },
      { type: 'put', key: this.#keys.processed(multihash), value: nothing },
      ...this.heads.operations(node.cid, node.delta.priority, replaced))
    return { node, operations, changes: valueChanges, applied: () => { this.heads.apply(node.cid, node.delta.priority, replaced) } }
  }

  async #currentValues (keys: readonly string[]): Promise<Map<string, { value: Uint8Array, priority: number }>> {
    const stored = await this.#store.getMany(keys.flatMap(key => [this.#keys.value(key), this.#keys.priority(key)]))
    const current = new Map<string, { value: Uint8Array, priority: number }>()
    for (const [i, key] of keys.entries()) {
      const value = stored[2 * i]
      const priority = stored[2 * i + 1]
      if (value !== undefined) current.set(key, { value, priority: priority === undefined ? 0 : readVarint(priority) - 1 })
    }
    return current
  }

  /** Block IDs of the elements of each key that no tombstone has met. */
  async #livingElements (keys: readonly string[]): Promise<Array<{ key: string, elements: string[] }>> {
    const elementKeys = await this.#store.keysUnder(keys.map(key => this.#keys.elementPrefix(key)), maxElementsOfKey)
    const living = keys.map((key, i) => ({ key, elements: (elementKeys[i] ?? []).map(found => found.slice(this.#keys.elementPrefix(key).length - 1)) }))
    const tombstones = await this.#store.getMany(living.flatMap(({ key, elements }) => elements.map(id => this.#keys.tombstone(key, id))))
    let at = 0
    return living.map(({ key, elements }) => ({ key, elements: elements.filter(() => tombstones[at++] === undefined) })).filter(({ elements }) => elements.length > 0)
  }

  /** All that is known of a key that loses elements: the survivors' values come from their blocks. */
  async #history (key: string, current: KeyFacts['current']): Promise<KeyFacts> {
    const [elementKeys = [], tombstoneKeys = []] = await this.#store.keysUnder([this.#keys.elementPrefix(key), this.#keys.tombstonePrefix(key)], maxElementsOfKey)
    const elements = new Set(elementKeys.map(found => found.slice(this.#keys.elementPrefix(key).length - 1)))
    const tombstones = new Set(tombstoneKeys.map(found => found.slice(this.#keys.tombstonePrefix(key).length - 1)))
    const candidates = new Map<string, { value: Uint8Array, priority: number }>()
    for (const id of elements) {
      if (tombstones.has(id)) continue
      const node = await this.node(id)
      if (node === undefined) continue
      for (const element of node.delta.elements) {
        if (element.key !== key) continue
        const known = candidates.get(id)
        if (known === undefined || Buffer.compare(element.value, known.value) > 0) candidates.set(id, { value: element.value, priority: node.delta.priority })
      }
    }
    return { current, elements, tombstones, candidates }
  }
}

/** The CID of the node with this block ID. */
export function cidOfBlockId (blockId: string): CID | undefined {
  const multihash = decodeBase32(blockId, 1, 'upper')
  if (multihash === undefined) return undefined
  const digest = decodeDigest(multihash)
  const cid = CID.createV1(0x70, createDigest(digest.code, digest.digest))
  return blockIdOf(cid) === blockId ? cid : undefined
}

const nothing = new Uint8Array(0)
