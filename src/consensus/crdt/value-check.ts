import type { Store } from '../../platform/store.ts'
import type { DeltaNode } from './delta.ts'
import { prefixEnd, readVarint } from './encoding.ts'
import type { ReplicaKeys } from './keys.ts'
import { compareBytes } from './merge.ts'
import type { Replica } from './replica.ts'
import type { Writer } from './writer.ts'

/** Keys whose values are looked at together: other changes wait meanwhile. */
const keysPerStep = 100

/**
 * Looks whether the set is what the merged nodes say: every tombstone of a node is there and every element
 * that none has met, and each key has the value of its best living element. What is wrong is merged again.
 */
export class ValueCheck {
  readonly #store: Store
  readonly #keys: ReplicaKeys
  readonly #replica: Replica
  readonly #writer: Writer
  readonly #opening: number | undefined
  corrected = 0

  /** The nodes are of this `opening` of the store. */
  constructor (options: { readonly store: Store, readonly keys: ReplicaKeys, readonly replica: Replica, readonly writer: Writer, readonly opening: number | undefined }) {
    this.#store = options.store
    this.#keys = options.keys
    this.#replica = options.replica
    this.#writer = options.writer
    this.#opening = options.opening
  }

  async checkNodes (nodes: readonly DeltaNode[]): Promise<void> {
    const wrong: DeltaNode[] = []
    for (const node of nodes) if (await this.#isWrong(node)) wrong.push(node)
    if (wrong.length === 0) return
    await this.#writer.turn(async () => {
      await this.#writer.commit({ prepared: await this.#replica.prepareForeign(wrong.map(node => ({ node, isInner: true, isStored: true }))), sync: false })
    }, this.#opening)
    this.corrected += wrong.length
  }

  /** Gives each key the value of its best living element, or none. */
  async checkKeys (signal: AbortSignal): Promise<void> {
    const prefix = this.#keys.value('').slice(0, -2)
    const decoded = new Map<string, DeltaNode>()
    for await (const step of this.#store.keys({ gte: `${prefix}/`, lt: prefixEnd(`${prefix}/`) })) {
      const names = step.filter(key => key.endsWith('/v')).map(key => key.slice(prefix.length, -2))
      for (let at = 0; at < names.length; at += keysPerStep) {
        signal.throwIfAborted()
        const doubtful = await this.#doubtful(names.slice(at, at + keysPerStep))
        if (doubtful.length === 0) continue
        await this.#writer.turn(async () => {
          const prepared = await this.#replica.prepareBest(doubtful, decoded)
          if (prepared.operations.length === 0) return
          await this.#writer.commit({ prepared, sync: false })
          this.corrected += prepared.operations.length / 2
        })
      }
    }
  }

  /** A key with one element that no tombstone has met has its value: {@link checkNodes} has seen to that. */
  async #doubtful (names: readonly string[]): Promise<string[]> {
    const found = await this.#store.keysUnder(names.flatMap(name => [this.#keys.elementPrefix(name), this.#keys.tombstonePrefix(name)]), 2)
    return names.filter((_, i) => found[2 * i]?.length !== 1 || found[2 * i + 1]?.length !== 0)
  }

  async #isWrong (node: DeltaNode): Promise<boolean> {
    const { elements, tombstones, priority } = node.delta
    if ((await this.#store.getMany(tombstones.map(({ key, id }) => this.#keys.tombstone(key, id)))).includes(undefined)) return true
    const stored = await this.#store.getMany(elements.flatMap(({ key }) => [this.#keys.tombstone(key, node.blockId), this.#keys.element(key, node.blockId), this.#keys.value(key), this.#keys.priority(key)]))
    return elements.some((element, i) => {
      const [tombstone, entry, value, storedPriority] = stored.slice(4 * i, 4 * i + 4)
      if (tombstone !== undefined) return false
      // The Go program knows nothing of moves.
      if (entry?.length !== element.id.length) return true
      if (!this.#replica.isValue(element.key, element.value)) return false
      if (value === undefined || storedPriority === undefined) return true
      const better = priority - (readVarint(storedPriority) - 1)
      return better > 0 || (better === 0 && compareBytes(element.value, value) > 0)
    })
  }
}
