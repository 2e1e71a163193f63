import type { Store } from '../../platform/store.ts'
import type { ReplicaKeys } from './keys.ts'
import type { LivingElements } from './living-elements.ts'
import type { KeyPart } from './merge.ts'

/**
 * What the store knows of moves: elements that give a pin other holders, each with the element of a
 * user that it follows in the value of its entry (README.md, 9).
 */
export class Moves {
  readonly #store: Store
  readonly #keys: ReplicaKeys
  readonly #living: LivingElements

  constructor (store: Store, keys: ReplicaKeys, living: LivingElements) {
    this.#store = store
    this.#keys = keys
    this.#living = living
  }

  /**
   * Of these keys those that only strays keep: moves, each of which follows an element that a
   * tombstone has met. Their authors knew nothing of the removal, and nobody has pinned it again.
   */
  async strays (keys: readonly string[]): Promise<string[]> {
    const living = await this.#living.find(keys)
    const origins = await this.#originsIn(living)
    // What follows nothing is a user's: there is no tombstone for nothing.
    const dead = await this.#store.getMany(living.flatMap(({ key, elements }) => elements.map(id => this.#keys.tombstone(key, origins.get(key + id) ?? ''))))
    let at = 0
    return living.filter(({ elements, hasMore }) => elements.map(() => dead[at++]).every(tombstone => tombstone !== undefined) && !hasMore).map(({ key }) => key)
  }

  /** By key the element of a user that a move of it follows. */
  async origins (keys: readonly string[]): Promise<Map<string, string>> {
    if (keys.length === 0) return new Map()
    const living = await this.#living.find(keys)
    const origins = await this.#originsIn(living)
    return new Map(living.map(({ key, elements }) => {
      const ofUser = elements.find(id => !origins.has(key + id))
      return [key, ofUser ?? origins.get(`${key}${elements[0]}`) ?? '']
    }))
  }

  /** Keys with an added move of what a tombstone has met, before or in the same group. */
  async afterRemoval (parts: ReadonlyMap<string, KeyPart>): Promise<string[]> {
    const moves: Array<{ readonly key: string, readonly origin: string, readonly tombstones: ReadonlySet<string> }> = []
    for (const [key, { elements, tombstones }] of parts) for (const { origin } of elements) if (origin !== '') moves.push({ key, origin, tombstones })
    if (moves.length === 0) return []
    const met = await this.#store.getMany(moves.map(({ key, origin }) => this.#keys.tombstone(key, origin)))
    return moves.filter(({ origin, tombstones }, i) => met[i] !== undefined || tombstones.has(origin)).map(({ key }) => key)
  }

  /** What the moves among these elements follow, by key and block ID. */
  async #originsIn (living: ReadonlyArray<{ readonly key: string, readonly elements: readonly string[] }>): Promise<Map<string, string>> {
    const names = living.flatMap(({ key, elements }) => elements.map(id => ({ key, id })))
    const stored = await this.#store.getMany(names.map(({ key, id }) => this.#keys.element(key, id)))
    return new Map(names.flatMap(({ key, id }, i) => {
      const origin = stored[i]
      return origin === undefined || origin.length === 0 ? [] : [[key + id, Buffer.from(origin).toString('latin1')] as const]
    }))
  }
}
