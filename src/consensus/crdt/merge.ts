import type { Delta } from './delta.ts'

/**
 * The merge rules of the replicated set (spec/wire.md 7): an add-wins set of elements with
 * tombstones, in which the value of a key is that of the living element with the highest
 * priority, and of the greater bytes among equals. Which elements live and which of them is the
 * best does not depend on an order, so any number of deltas is merged at once. Pure: what the
 * store knows comes in as {@link KeyFacts}, what it has to change goes out.
 */

export interface Value { readonly value: Uint8Array, readonly priority: number }

/** What a group of deltas says of one key. */
export interface KeyPart {
  readonly elements: Array<Value & { readonly blockId: string, readonly origin: string }>
  /** Block IDs of elements that die. */
  readonly tombstones: Set<string>
}

/** What the store knows of a key before the merge. */
export interface KeyFacts {
  /** The best living value; undefined when the key has none. */
  readonly current: Value | undefined
  /** Block IDs, of those that are added, which a tombstone has met before. */
  readonly dead: ReadonlySet<string>
  /** Stored elements that still live when the tombstones are in; undefined when no living one dies, so that `current` stays. */
  readonly survivors: readonly Value[] | undefined
}

/** What merging does to one key. */
export interface KeyChange {
  readonly key: string
  /** The new best value; undefined when the key has none any more. */
  readonly value: Uint8Array | undefined
  readonly priority: number
  readonly previous: Uint8Array | undefined
  /**
   * The value is another one. A removal counts also when there was no value here, and what came and
   * went when another value stays: a peer that has lost its datastore, or the last of it with the
   * power, and merges that anew may have what was removed on its IPFS node still.
   */
  readonly changed: boolean
  /** Value or priority differ from what is stored: an equal value that survives with a lower priority must be written too. */
  readonly isRewritten: boolean
}

/** Adds what a delta in the block `blockId` says to the parts by key. */
export function collectParts (parts: Map<string, KeyPart>, delta: Delta, blockId: string): void {
  const part = (key: string): KeyPart => {
    let found = parts.get(key)
    if (found === undefined) parts.set(key, found = { elements: [], tombstones: new Set() })
    return found
  }
  for (const { key, id } of delta.tombstones) part(key).tombstones.add(id)
  for (const { key, id, value } of delta.elements) part(key).elements.push({ blockId, value, priority: delta.priority, origin: id })
}

export function mergeKey (key: string, part: KeyPart, facts: KeyFacts): KeyChange {
  const isGone = (blockId: string): boolean => part.tombstones.has(blockId) || facts.dead.has(blockId)
  let best = facts.survivors === undefined ? facts.current : bestOf(facts.survivors)
  for (const element of part.elements) {
    if (isGone(element.blockId)) continue
    if (wins(element, best)) best = element
  }
  const { current } = facts
  const isOther = best === undefined || current === undefined ? best !== current : compareBytes(best.value, current.value) !== 0
  const changed = isOther || (best === undefined ? part.tombstones.size > 0 : part.elements.some(({ blockId }) => isGone(blockId)))
  return {
    key,
    value: best?.value,
    priority: best?.priority ?? 0,
    previous: current?.value,
    changed,
    isRewritten: isOther || best?.priority !== current?.priority,
  }
}

export function bestOf (values: readonly Value[]): Value | undefined {
  let best: Value | undefined
  for (const value of values) if (wins(value, best)) best = value
  return best
}

function wins (one: Value, other: Value | undefined): boolean {
  if (other === undefined || one.priority > other.priority) return true
  return one.priority === other.priority && compareBytes(one.value, other.value) > 0
}

/** Byte order, shorter first among equal beginnings. */
export function compareBytes (a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}
