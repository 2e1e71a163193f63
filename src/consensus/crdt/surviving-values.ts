import type { Store } from '../../platform/store.ts'
import type { DeltaNode } from './delta.ts'
import type { ReplicaKeys } from './keys.ts'
import type { LivingElements } from './living-elements.ts'
import { bestOf, compareBytes, type KeyPart, type Value } from './merge.ts'
import { readable } from './readable-node.ts'

/** Blocks that are kept decoded while survivors are looked up: neighbours often stand in the same one. */
const maxDecodedBlocks = 64

export interface SurvivingValuesOptions {
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly living: LivingElements
  /** False for what is no pin of the key. */
  readonly isValue: (key: string, value: Uint8Array) => boolean
}

/** Finds what takes the place of elements that die: values stand in the blocks of their nodes alone. */
export class SurvivingValues {
  readonly #store: Store
  readonly #keys: ReplicaKeys
  readonly #living: LivingElements
  readonly #isValue: (key: string, value: Uint8Array) => boolean

  constructor (options: SurvivingValuesOptions) {
    this.#store = options.store
    this.#keys = options.keys
    this.#living = options.living
    this.#isValue = options.isValue
  }

  /**
   * By key that loses a living element: the stored elements that stay, with their values, which
   * stand in their blocks. What outlives a removal is suspect: it may be a stray.
   */
  async find (parts: ReadonlyMap<string, KeyPart>): Promise<{ survivors: Map<string, Value[]>, suspects: Set<string> }> {
    const keys = [...parts].filter(([, part]) => part.tombstones.size > 0).map(([key]) => key)
    const survivors = new Map<string, Value[]>()
    const suspects = new Set<string>()
    const decoded = new Map<string, DeltaNode>()
    const isLost = (key: string, id: string): boolean => parts.get(key)?.tombstones.has(id) === true
    for (const { key, elements: staying, hasMore, isAnyLost } of await this.#living.find(keys, isLost)) {
      if (staying.length > 0) suspects.add(key)
      if (!isAnyLost) continue
      survivors.set(key, hasMore ? await this.#bestOfMany(key, isLost, decoded) : await this.valuesOf(staying, key, decoded))
    }
    return { survivors, suspects }
  }

  /** The best of more living elements than are kept in mind: which of them those are depends on the order of merging. */
  async #bestOfMany (key: string, isLost: (key: string, id: string) => boolean, decoded: Map<string, DeltaNode>): Promise<Value[]> {
    let best: Value | undefined
    for await (const ids of this.#living.all(key)) {
      const values = await this.valuesOf(ids.filter(id => !isLost(key, id)), key, decoded)
      best = bestOf(best === undefined ? values : [best, ...values])
    }
    return best === undefined ? [] : [best]
  }

  /** The values that these stored nodes give to a key; `decoded` keeps blocks from one call to the next. */
  async valuesOf (blockIds: readonly string[], key: string, decoded: Map<string, DeltaNode>): Promise<Value[]> {
    const values: Value[] = []
    for (const id of blockIds) values.push(...await this.valuesIn(id, key, decoded))
    return values
  }

  /** The greatest value that a stored node gives to a key. */
  async valuesIn (blockId: string, key: string, decoded: Map<string, DeltaNode>): Promise<Value[]> {
    const node = decoded.get(blockId) ?? await this.#node(blockId)
    if (node === undefined) return []
    // The ones used last stay.
    decoded.delete(blockId)
    decoded.set(blockId, node)
    if (decoded.size > maxDecodedBlocks) decoded.delete(decoded.keys().next().value as string)
    const values = node.delta.elements.filter(element => element.key === key && this.#isValue(key, element.value)).map(element => element.value)
    return values.toSorted(compareBytes).slice(-1).map(value => ({ value, priority: node.delta.priority }))
  }

  async #node (blockId: string): Promise<DeltaNode | undefined> {
    const bytes = await this.#store.get(this.#keys.block(blockId.slice(1)))
    return bytes && readable(blockId.slice(1), bytes)
  }
}
