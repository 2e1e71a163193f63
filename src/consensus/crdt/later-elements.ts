import type { Store, StoreOperation } from '../../platform/store.ts'
import type { Intent } from './journal.ts'
import type { KeyPart } from './merge.ts'
import { keyOfPin } from './pin-values.ts'

const prefix = '/flotilla/later'
const prefixEnd = '/flotilla/later0'

/**
 * Elements that came from other peers while an unpin waits for its delta. They are not what was
 * unpinned: whoever pins anew elsewhere, knowing of the unpin or not, is not undone by it. They are
 * noted in the store too, with the last journal entry of that moment: after a crash the unpin is
 * made from the journal, and must not take what came behind it.
 */
export class LaterElements {
  readonly #byKey = new Map<string, Set<string>>()
  /** The notes in the store: the journal entry by key and block ID, joined as they are. */
  readonly #stored = new Map<string, number>()

  /**
   * Notes what nodes of others have added to keys (with their slash) for which `isRemoved`. A move
   * counts where it follows what came later too.
   */
  note (parts: ReadonlyMap<string, KeyPart>, isRemoved: (key: string) => boolean): void {
    for (const [key, later] of this.#found(parts, isRemoved)) this.#byKey.set(key, later)
  }

  /**
   * The notes of what {@link note} would note, for the batch of these nodes; `entryOf` answers the last
   * journal entry that is written before it, when the key is removed by then.
   */
  operations (parts: ReadonlyMap<string, KeyPart>, entryOf: (key: string) => number | undefined): StoreOperation[] {
    const operations: StoreOperation[] = []
    for (const [key, later] of this.#found(parts, key => entryOf(key) !== undefined)) {
      const before = this.#byKey.get(key)
      const entry = entryOf(key) as number
      for (const blockId of later) {
        if (before?.has(blockId) === true) continue
        this.#stored.set(key + blockId, entry)
        operations.push({ type: 'put', key: prefix + key + blockId, value: Buffer.from(String(entry)) })
      }
    }
    return operations
  }

  /** Takes the notes off the store that no waiting unpin needs: `next` is the first entry of the journal that still waits. */
  removal (next: number): StoreOperation[] {
    return [...this.#stored].filter(([, entry]) => entry < next).map(([name]) => ({ type: 'del', key: prefix + name }))
  }

  /** To be called when the {@link removal} is written. */
  removed (next: number): void {
    for (const [name, entry] of this.#stored) if (entry < next) this.#stored.delete(name)
  }

  /** Takes the notes of the store for the changes that wait: of those older than the last change of a user the user could know. */
  async load (store: Store, waiting: readonly Intent[]): Promise<void> {
    // What a failing disk has lost comes again, and is to be noted again.
    this.#byKey.clear()
    this.#stored.clear()
    const last = new Map<string, number>()
    for (const intent of waiting) if (intent.observed === undefined) last.set(keyOfPin(intent), intent.entry)
    for await (const notes of store.iterate({ gte: prefix, lt: prefixEnd })) {
      for (const { key: noteKey, value } of notes) {
        const name = noteKey.slice(prefix.length)
        const entry = Number(Buffer.from(value).toString())
        this.#stored.set(name, entry)
        const key = name.slice(0, name.indexOf('/', 1))
        const since = last.get(key)
        if (since === undefined || entry < since) continue
        this.#byKey.set(key, (this.#byKey.get(key) ?? new Set()).add(name.slice(key.length)))
      }
    }
  }

  forget (key: string): void { this.#byKey.delete(key) }

  /** The block IDs for each of the keys that has any. */
  of (keys: readonly string[]): Map<string, ReadonlySet<string>> {
    if (this.#byKey.size === 0) return new Map()
    return new Map(keys.flatMap(key => {
      const later = this.#byKey.get(key)
      return later === undefined || later.size === 0 ? [] : [[key, later] as const]
    }))
  }

  /** All that is later of the keys to which these nodes add something. */
  * #found (parts: ReadonlyMap<string, KeyPart>, isRemoved: (key: string) => boolean): Generator<[string, Set<string>]> {
    for (const [key, { elements }] of parts) {
      if (elements.length === 0 || !isRemoved(key)) continue
      const later = new Set(this.#byKey.get(key))
      for (const { blockId, origin } of elements) if (origin === '' || later.has(origin)) later.add(blockId)
      yield [key, later]
    }
  }
}
