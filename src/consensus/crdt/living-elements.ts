import type { Store } from '../../platform/store.ts'
import { prefixEnd } from './encoding.ts'
import type { ReplicaKeys } from './keys.ts'

/** Elements of one key that are read at a time. Most keys have one or two; those that are pinned again and again have one for each time. */
const elementsPerStep = 4_096
/** Living elements of one key that are kept in mind: whoever removes them goes on with the rest afterwards. */
const mostKept = 10_000

/** The elements of a key that no tombstone has met. */
export interface KeyElements {
  readonly key: string
  /** Their block IDs, those left out that are lost now. */
  readonly elements: readonly string[]
  /** There are more than these. */
  readonly hasMore: boolean
  /** Some are lost now. */
  readonly isAnyLost: boolean
}

/** Finds elements that live. */
export class LivingElements {
  readonly #store: Store
  readonly #keys: ReplicaKeys

  constructor (store: Store, keys: ReplicaKeys) {
    this.#store = store
    this.#keys = keys
  }

  /**
   * Of keys (with their slash) that have any. With `isLost`, which tells of elements that die now,
   * those are looked for among all of a key.
   */
  async find (keys: readonly string[], isLost?: (key: string, id: string) => boolean): Promise<KeyElements[]> {
    const steps = await this.#store.keysUnder(keys.map(key => this.#keys.elementPrefix(key)), elementsPerStep)
    const found = keys.map((key, i) => ({ key, elements: [] as string[], hasMore: false, isAnyLost: false, step: steps[i] ?? [] }))
    for (let open = found; open.length > 0;) {
      const ids = open.map(({ key, step }) => step.map(stored => stored.slice(this.#keys.elementPrefix(key).length - 1)))
      const tombstones = await this.#store.getMany(open.flatMap(({ key }, i) => (ids[i] as string[]).map(id => this.#keys.tombstone(key, id))))
      let at = 0
      for (const [i, of] of open.entries()) {
        for (const id of ids[i] as string[]) {
          if (tombstones[at++] !== undefined) continue
          if (isLost?.(of.key, id) === true) of.isAnyLost = true
          else if (of.elements.length < mostKept) of.elements.push(id)
          else of.hasMore = true
        }
      }
      open = open.filter(({ step, hasMore }) => step.length === elementsPerStep && (isLost !== undefined || !hasMore))
      for (const of of open) of.step = await this.#after(of.key, of.step.at(-1) as string)
    }
    return found.filter(({ elements, isAnyLost }) => elements.length > 0 || isAnyLost)
  }

  /** All of one key, some at a time: of one that has more than {@link find} keeps. */
  async * all (key: string): AsyncGenerator<string[]> {
    const prefix = this.#keys.elementPrefix(key)
    for (let last: string | undefined = prefix; last !== undefined;) {
      const step: string[] = await this.#after(key, last)
      const ids = step.map(stored => stored.slice(prefix.length - 1))
      const tombstones = await this.#store.getMany(ids.map(id => this.#keys.tombstone(key, id)))
      yield ids.filter((_, i) => tombstones[i] === undefined)
      last = step.at(-1)
    }
  }

  async #after (key: string, last: string): Promise<string[]> {
    return (await Array.fromAsync(this.#store.keys({ gt: last, lt: prefixEnd(this.#keys.elementPrefix(key)), limit: elementsPerStep }))).flat()
  }
}
