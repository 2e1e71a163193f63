import type { CID } from 'multiformats/cid'
import { cidFromKey, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { encodeDeltaNode, maxPriority, type Delta, type DeltaElement, type DeltaNode } from './delta.ts'
import { readVarint, writeVarint } from './encoding.ts'
import { Heads, type HeadChange } from './heads.ts'
import { multihashKey, suspectKey, type ReplicaKeys } from './keys.ts'
import { LivingElements } from './living-elements.ts'
import { collectParts, mergeKey, type KeyChange, type KeyPart, type Value } from './merge.ts'
import { Moves } from './moves.ts'
import { SurvivingValues } from './surviving-values.ts'
import { tombstonesOf } from './tombstones.ts'

/** Version of the layout as the Go program counts it, plus one (spec/wire.md 7). */
const layoutVersion = 2
/**
 * Heads that one node follows; the rest is for the nodes after it. A peer that makes heads by the
 * thousand must not make a node of ours larger than any that others take.
 */
const maxParents = 1_000

/** What a change of one key means for the pinset. */
export interface ValueChange {
  readonly cid: Cid
  readonly value: Uint8Array | undefined
  readonly previous: Uint8Array | undefined
}

/** A node of another peer whose ancestors are merged, or stand before it in the same group. */
export interface ForeignNode {
  readonly node: DeltaNode
  /** A node that follows it is merged already, so it does not become a head. */
  readonly isInner: boolean
  /** Its block is in the store already, or is written in the same batch. */
  readonly isStored?: boolean
  /** Who has sent it, or told of it, where that is known. */
  readonly from?: PeerId | undefined
}

/** Nodes ready to be written: all store operations but those of index, journal and log. */
export interface Prepared {
  readonly operations: StoreOperation[]
  /** Keys whose value is another now. */
  readonly changes: ValueChange[]
  /** Keys that may be kept by strays alone from now on; the operations note them for {@link Replica.strays}. */
  readonly suspects: readonly string[]
  /** What nodes of other peers say of each key, without the elements that were here before; absent for what this peer does itself. */
  readonly parts?: ReadonlyMap<string, KeyPart>
  /** Takes the new heads in; to be called when the operations are on disk. */
  readonly applied: () => void
}

interface LocalOptions {
  readonly priorityFloor?: number
  readonly moves?: readonly string[]
  readonly later?: ReadonlyMap<string, ReadonlySet<string>>
}

interface PreparedOptions {
  readonly suspects?: readonly string[]
  /** Whether a tombstone has met the element of the key in this block, before or in the same group. */
  readonly isDead?: (key: string, blockId: string) => boolean
}

export interface PreparedNode extends Prepared {
  readonly node: DeltaNode
  /**
   * The removals that are still to be done, when they have more elements than one node can name: this
   * one has some of them and nothing else. It is to be written, and the rest prepared. Empty: it is whole.
   */
  readonly left: readonly string[]
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
  /** False for what is no pin of the key. */
  readonly isValue: (key: string, value: Uint8Array) => boolean
  readonly heads: Heads
  readonly #living: LivingElements
  readonly #surviving: SurvivingValues
  readonly #moves: Moves
  #isOwn = true

  /** `isValue` false: what stands there is no pin of that key, and counts as if it were not there. */
  constructor (store: Store, keys: ReplicaKeys, isValue: (key: string, value: Uint8Array) => boolean = () => true) {
    this.#store = store
    this.#keys = keys
    this.isValue = isValue
    this.heads = new Heads(keys)
    this.#living = new LivingElements(store, keys)
    this.#surviving = new SurvivingValues({ store, keys, living: this.#living, isValue })
    this.#moves = new Moves(store, keys, this.#living)
  }

  /** @throws ClusterError `STORE_DAMAGED` when the layout is of a later version */
  async load (): Promise<void> {
    const version = await this.#store.get(this.#keys.version)
    if (version === undefined) await this.#store.batch([{ type: 'put', key: this.#keys.version, value: writeVarint(layoutVersion) }], { sync: true })
    else if (readVarint(version) > layoutVersion) throw new ClusterError('STORE_DAMAGED', 'the datastore was written by a later version: use that version, or restore the pins with "ipfs-cluster-service state import" into a new folder')
    this.#isOwn = await this.heads.load(this.#store)
  }

  /** False when another program wrote last: what we keep beside its keys may be stale. */
  get isOwn (): boolean { return this.#isOwn }

  /**
   * The node for local changes, or undefined when nothing would change (removals of what is not
   * there). `additions` by key (with its slash); `removals` are keys; a key stands in one of both.
   * `moves` are those of the additions that give what is there other holders.
   * `later` are elements by key that the removals leave alone. Its priority is above `priorityFloor`. It may be but a part.
   */
  async prepareLocal (additions: ReadonlyMap<string, Uint8Array>, removals: readonly string[], { priorityFloor = 0, moves = [], later = new Map() }: LocalOptions = {}): Promise<PreparedNode | undefined> {
    const { tombstones, left, unfinished, spared } = await tombstonesOf(this.#living, removals, later)
    const origins = await this.#moves.origins(moves)
    const elements: DeltaElement[] = left.length > 0 ? [] : [...additions].map(([key, value]) => ({ key, id: origins.get(key) ?? '', value }))
    if (elements.length === 0 && tombstones.length === 0) return undefined
    const current = await this.#currentValues([...new Set([...elements, ...tombstones].map(({ key }) => key))])
    const delta: Delta = { elements, tombstones, priority: this.#nextPriority(elements, current, priorityFloor) }
    const node = encodeDeltaNode(delta, this.heads.cids().slice(0, maxParents))
    const parts = new Map<string, KeyPart>()
    collectParts(parts, delta, node.blockId)
    // What has elements left keeps its value until they are gone too: readers see that it is to go.
    if (unfinished !== undefined) parts.delete(unfinished)
    const decoded = new Map<string, DeltaNode>()
    const changes: KeyChange[] = []
    for (const [key, part] of parts) {
      // All other living elements of a removed key die here, so none of them can take over.
      const survivors = part.tombstones.size > 0 ? await this.#surviving.valuesOf(spared.get(key) ?? [], key, decoded) : undefined
      changes.push(mergeKey(key, part, { current: current.get(key), dead: nobody, survivors }))
    }
    return { node, left, ...this.#prepared([{ node, isInner: false }], changes) }
  }

  /**
   * Above that of all heads, of nodes that are known, and of the values that are replaced: these are lower than the heads that
   * follow them, unless another peer had lost count, or stopped between writing a value and its head.
   */
  #nextPriority (elements: readonly DeltaElement[], current: ReadonlyMap<string, Value>, priorityFloor: number): number {
    let highest = Math.max(this.heads.highestSeen, priorityFloor)
    for (const { key } of elements) highest = Math.max(highest, current.get(key)?.priority ?? 0)
    return Math.min(maxPriority, highest + 1)
  }

  /** Merges a group of nodes of other peers; answers also of whose nodes elements were left out, and how many. */
  async prepareForeign (nodes: readonly ForeignNode[]): Promise<Prepared & { readonly leftOut: ReadonlyMap<PeerId | undefined, number> }> {
    const parts = new Map<string, KeyPart>()
    const leftOut = new Map<PeerId | undefined, number>()
    for (const { node: { delta, blockId }, from } of nodes) {
      const pins = this.#pinsOnly(delta)
      const count = (delta.leftOut ?? 0) + delta.elements.length - pins.elements.length
      if (count > 0) leftOut.set(from, (leftOut.get(from) ?? 0) + count)
      collectParts(parts, pins, blockId)
    }
    const keys = [...parts.keys()]
    const current = await this.#currentValues(keys)
    const dead = await this.#deadElements(parts)
    const { survivors, suspects } = await this.#surviving.find(parts)
    for (const key of await this.#moves.afterRemoval(parts)) suspects.add(key)
    const changes = [...parts].map(([key, part]) => mergeKey(key, part, { current: current.get(key), dead: dead.get(key) ?? nobody, survivors: survivors.get(key) }))
    const isDead = (key: string, blockId: string): boolean => dead.get(key)?.has(blockId) === true || parts.get(key)?.tombstones.has(blockId) === true
    return { ...this.#prepared(nodes, changes, { suspects: [...suspects], isDead }), parts: await this.#news(nodes, parts, isDead), leftOut }
  }

  /** Of these keys those that only strays keep: moves that outlived the removal of what they move. */
  strays (keys: readonly string[]): Promise<string[]> { return this.#moves.strays(keys) }

  /** A change of the heads alone. */
  prepareHeads (change: (heads: HeadChange) => void): Prepared {
    const heads = this.heads.change()
    change(heads)
    return { operations: heads.operations(), changes: [], suspects: [], applied: () => { heads.apply() } }
  }

  /**
   * Gives each key the value that its stored elements say, where it has another one. Keys of which
   * a block is gone, or that have elements by the ten thousand, are left as they are. `decoded` keeps blocks from one call to the next.
   */
  async prepareBest (keys: readonly string[], decoded: Map<string, DeltaNode>): Promise<Prepared> {
    const current = await this.#currentValues(keys)
    const living = new Map((await this.#living.find(keys)).map(found => [found.key, found]))
    const changes: KeyChange[] = []
    for (const key of keys) {
      const survivors: Value[] = []
      const { elements = [], hasMore = false } = living.get(key) ?? {}
      if (hasMore) continue
      for (const id of elements) survivors.push(...await this.#surviving.valuesIn(id, key, decoded))
      if (survivors.length < elements.length && elements.some(id => !decoded.has(id))) continue
      changes.push(mergeKey(key, { elements: [], tombstones: nobodyDies }, { current: current.get(key), dead: nobody, survivors }))
    }
    return this.#prepared([], changes)
  }

  #pinsOnly (delta: Delta): Delta {
    const elements = delta.elements.filter(({ key, value }) => this.isValue(key, value))
    return elements.length === delta.elements.length ? delta : { ...delta, elements }
  }

  async isProcessed (cid: CID): Promise<boolean> {
    return await this.#store.get(this.#keys.processed(multihashKey(cid.multihash.bytes))) !== undefined
  }

  /**
   * What has a tombstone has no entry as an element any more, nor gets one: who removes a key looks at its elements,
   * and one that is pinned and unpinned again and again would have one for each time.
   */
  #prepared (nodes: readonly ForeignNode[], changes: KeyChange[], { suspects = [], isDead = () => false }: PreparedOptions = {}): Prepared {
    const operations: StoreOperation[] = []
    const valueChanges: ValueChange[] = []
    const heads = this.heads.change()
    for (const { node, isInner, isStored = false } of nodes) {
      for (const { key, id } of node.delta.elements) {
        if (!isDead(key, node.blockId)) operations.push({ type: 'put', key: this.#keys.element(key, node.blockId), value: id === '' ? nothing : Buffer.from(id) })
      }
      for (const { key, id } of node.delta.tombstones) operations.push({ type: 'put', key: this.#keys.tombstone(key, id), value: nothing }, { type: 'del', key: this.#keys.element(key, id) })
      const multihash = node.blockId.slice(1)
      if (!isStored) operations.push({ type: 'put', key: this.#keys.block(multihash), value: node.bytes })
      operations.push({ type: 'put', key: this.#keys.processed(multihash), value: nothing })
      if (isInner) heads.remove(node.links)
      else heads.add(node.cid, node.delta.priority, node.links)
    }
    for (const change of changes) {
      if (change.value === undefined) {
        if (change.previous !== undefined) operations.push({ type: 'del', key: this.#keys.value(change.key) }, { type: 'del', key: this.#keys.priority(change.key) })
      } else if (change.isRewritten) {
        operations.push(
          { type: 'put', key: this.#keys.value(change.key), value: change.value },
          { type: 'put', key: this.#keys.priority(change.key), value: writeVarint(change.priority + 1) })
      }
      const cid = change.changed ? cidFromKey(change.key.slice(1)) : undefined
      if (cid !== undefined) valueChanges.push({ cid, value: change.value, previous: change.previous })
    }
    for (const key of suspects) operations.push({ type: 'put', key: suspectKey(key), value: nothing })
    operations.push(...heads.operations())
    return { operations, changes: valueChanges, suspects, applied: () => { heads.apply() } }
  }

  async #currentValues (keys: readonly string[]): Promise<Map<string, Value>> {
    const stored = await this.#store.getMany(keys.flatMap(key => [this.#keys.value(key), this.#keys.priority(key)]))
    const current = new Map<string, Value>()
    for (const [i, key] of keys.entries()) {
      const value = stored[2 * i]
      const priority = stored[2 * i + 1]
      if (value !== undefined) current.set(key, { value, priority: priority === undefined ? 0 : readVarint(priority) - 1 })
    }
    return current
  }

  /** The parts without elements that were here before: an inner node may have been merged before, and have lost its block or a value since. */
  async #news (nodes: readonly ForeignNode[], parts: ReadonlyMap<string, KeyPart>, isDead: (key: string, blockId: string) => boolean): Promise<ReadonlyMap<string, KeyPart>> {
    const inner = nodes.filter(({ isInner }) => isInner).flatMap(({ node: { blockId, delta } }) => delta.elements.map(({ key }) => ({ key, blockId })))
    if (inner.length === 0) return parts
    const stored = await this.#store.getMany(inner.map(({ key, blockId }) => this.#keys.element(key, blockId)))
    const known = new Set(inner.filter(({ key, blockId }, i) => stored[i] !== undefined || isDead(key, blockId)).map(({ key, blockId }) => key + blockId))
    return new Map([...parts].map(([key, part]) => [key, { ...part, elements: part.elements.filter(({ blockId }) => !known.has(key + blockId)) }]))
  }

  /** By key, the block IDs of added elements that a tombstone has met before. */
  async #deadElements (parts: ReadonlyMap<string, KeyPart>): Promise<Map<string, Set<string>>> {
    const added = [...parts].flatMap(([key, part]) => part.elements.map(({ blockId }) => ({ key, blockId })))
    const found = await this.#store.getMany(added.map(({ key, blockId }) => this.#keys.tombstone(key, blockId)))
    const dead = new Map<string, Set<string>>()
    for (const [i, { key, blockId }] of added.entries()) {
      if (found[i] === undefined) continue
      const ids = dead.get(key) ?? new Set()
      dead.set(key, ids.add(blockId))
    }
    return dead
  }
}

const nothing = new Uint8Array(0)
const nobody: ReadonlySet<string> = new Set()
const nobodyDies = new Set<string>()
