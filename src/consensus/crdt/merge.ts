import type { Delta, DeltaElement } from './delta.ts'

/**
 * The merge rules of the replicated set (spec/wire.md 7): an add-wins set of elements with
 * tombstones, in which the value of a key is that of the living element with the highest
 * priority, and of the greater bytes among equals. Pure: what the store knows comes in as
 * {@link KeyFacts}, what it has to change goes out.
 */

/** What the store knows of a key before the merge. */
export interface KeyFacts {
  /** The present value and its priority; undefined when the key has none. */
  readonly current: { readonly value: Uint8Array, readonly priority: number } | undefined
  /** Living and dead elements by block ID. Needed for keys with tombstones in the delta. */
  readonly elements?: ReadonlySet<string>
  /** Block IDs of dead elements. */
  readonly tombstones?: ReadonlySet<string>
  /** Priority and value that each living element has, by block ID: needed when some survive the delta's tombstones. */
  readonly candidates?: ReadonlyMap<string, { readonly value: Uint8Array, readonly priority: number }>
}

/** What merging a delta does to one key. */
export interface KeyChange {
  readonly key: string
  /** The new value; undefined when the key has none any more; equal to `previous` when nothing is seen from outside. */
  readonly value: Uint8Array | undefined
  readonly priority: number
  readonly previous: Uint8Array | undefined
  readonly changed: boolean
  /** Value or priority differ from what is stored: an equal value that survives with a lower priority must be written too. */
  readonly isRewritten: boolean
  /** Block IDs of elements and tombstones to write. */
  readonly addedElements: readonly string[]
  readonly addedTombstones: readonly string[]
}

/** Merges a delta that stands in the block `blockId`, tombstones first, then elements. */
export function mergeDelta (delta: Delta, blockId: string, facts: (key: string) => KeyFacts): KeyChange[] {
  const keys = new Map<string, { elements: DeltaElement[], tombstones: DeltaElement[] }>()
  const entry = (key: string): { elements: DeltaElement[], tombstones: DeltaElement[] } => {
    let found = keys.get(key)
    if (found === undefined) keys.set(key, found = { elements: [], tombstones: [] })
    return found
  }
  for (const tombstone of delta.tombstones) entry(tombstone.key).tombstones.push(tombstone)
  for (const element of delta.elements) entry(element.key).elements.push(element)
  return [...keys].map(([key, part]) => mergeKey(key, part.elements, part.tombstones, delta.priority, blockId, facts(key)))
}

function mergeKey (key: string, elements: DeltaElement[], tombstones: DeltaElement[], priority: number, blockId: string, facts: KeyFacts): KeyChange {
  let current = facts.current
  let changed = false
  const addedTombstones = tombstones.map(tombstone => tombstone.id)
  if (addedTombstones.length > 0) {
    const survivor = bestSurvivor(facts, new Set(addedTombstones))
    changed = survivor === undefined ? current !== undefined : current === undefined || compareBytes(survivor.value, current.value) !== 0
    current = survivor
  }
  const isDead = facts.tombstones?.has(blockId) === true || addedTombstones.includes(blockId)
  if (!isDead) {
    for (const element of elements) {
      if (!wins(priority, element.value, current)) continue
      current = { value: element.value, priority }
      changed = true
    }
  }
  return {
    key,
    value: current?.value,
    priority: current?.priority ?? 0,
    previous: facts.current?.value,
    changed,
    isRewritten: changed || current?.priority !== facts.current?.priority,
    addedElements: elements.length > 0 ? [blockId] : [],
    addedTombstones,
  }
}

/** The living element that stays when `dying` are gone. */
function bestSurvivor (facts: KeyFacts, dying: ReadonlySet<string>): { value: Uint8Array, priority: number } | undefined {
  let best: { value: Uint8Array, priority: number } | undefined
  for (const [id, candidate] of facts.candidates ?? []) {
    if (dying.has(id) || facts.tombstones?.has(id) === true) continue
    if (wins(candidate.priority, candidate.value, best)) best = candidate
  }
  return best
}

function wins (priority: number, value: Uint8Array, current: { value: Uint8Array, priority: number } | undefined): boolean {
  if (current === undefined || priority > current.priority) return true
  return priority === current.priority && compareBytes(value, current.value) > 0
}

/** Byte order, shorter first among equal beginnings. */
export function compareBytes (a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}
