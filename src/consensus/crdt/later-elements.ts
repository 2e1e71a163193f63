import type { KeyPart } from './merge.ts'

/**
 * Elements that came from other peers while an unpin waits for its delta. They are not what was
 * unpinned: whoever pins anew elsewhere, knowing of the unpin or not, is not undone by it.
 */
export class LaterElements {
  readonly #byKey = new Map<string, Set<string>>()

  /**
   * Notes what nodes of others have added to keys (with their slash) for which `isRemoved`. A move
   * counts where it follows what came later too.
   */
  note (parts: ReadonlyMap<string, KeyPart>, isRemoved: (key: string) => boolean): void {
    for (const [key, { elements }] of parts) {
      if (elements.length === 0 || !isRemoved(key)) continue
      const later = this.#byKey.get(key) ?? new Set()
      for (const { blockId, origin } of elements) if (origin === '' || later.has(origin)) later.add(blockId)
      if (later.size > 0) this.#byKey.set(key, later)
    }
  }

  forget (key: string): void { this.#byKey.delete(key) }

  /** The block IDs for each of the keys that has any. */
  of (keys: readonly string[]): Map<string, ReadonlySet<string>> {
    if (this.#byKey.size === 0) return new Map()
    return new Map(keys.flatMap(key => {
      const later = this.#byKey.get(key)
      return later === undefined ? [] : [[key, later] as const]
    }))
  }
}
