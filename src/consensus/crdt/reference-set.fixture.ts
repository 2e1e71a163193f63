import type { DeltaNode } from './delta.ts'

interface Stored { readonly value: Uint8Array, readonly priority: number }

/**
 * The merge rules as spec/wire.md 7 tells them, step by step and one node after the other: slow and
 * plain, to hold the replica against.
 */
export class ReferenceSet {
  readonly #nodes = new Map<string, DeltaNode>()
  readonly #elements = new Map<string, Set<string>>()
  readonly #tombstones = new Map<string, Set<string>>()
  readonly values = new Map<string, Stored>()

  merge (node: DeltaNode): void {
    this.#nodes.set(node.blockId, node)
    const pending = new Map<string, Set<string>>()
    for (const { key, id } of node.delta.tombstones) {
      const dying = pending.get(key) ?? new Set()
      pending.set(key, dying.add(id))
      const best = this.#best(key, dying)
      if (best === undefined) this.values.delete(key)
      else this.values.set(key, best)
      this.#tombstones.set(key, (this.#tombstones.get(key) ?? new Set()).add(id))
    }
    for (const { key, value } of node.delta.elements) {
      this.#elements.set(key, (this.#elements.get(key) ?? new Set()).add(node.blockId))
      if (this.#tombstones.get(key)?.has(node.blockId) === true) continue
      const stored = this.values.get(key)
      const { priority } = node.delta
      if (priority < (stored?.priority ?? 0)) continue
      if (stored !== undefined && priority === stored.priority && Buffer.compare(stored.value, value) >= 0) continue
      this.values.set(key, { value, priority })
    }
  }

  #best (key: string, dying: ReadonlySet<string>): Stored | undefined {
    let best: Stored | undefined
    for (const id of this.#elements.get(key) ?? []) {
      if (dying.has(id) || this.#tombstones.get(key)?.has(id) === true) continue
      const { delta } = this.#nodes.get(id) as DeltaNode
      for (const element of delta.elements) {
        if (element.key !== key) continue
        if (best === undefined || delta.priority > best.priority || (delta.priority === best.priority && Buffer.compare(best.value, element.value) < 0)) best = { value: element.value, priority: delta.priority }
      }
    }
    return best
  }
}
