import type { DeltaElement } from './delta.ts'
import type { LivingElements } from './living-elements.ts'

/** Tombstones of one node, in bytes: with as many bytes of elements, and its parents, it is still one that others take. */
const maxTombstoneBytes = 512 * 1024
/** Bytes of a tombstone besides key and block ID. */
const overheadBytes = 12
/** Keys of which the elements are read together. */
const maxKeysPerStep = 512
const nothing = new Uint8Array(0)

/** The removals that one node makes. */
export interface Removals {
  readonly tombstones: DeltaElement[]
  /** The keys that have elements left, in their order. */
  readonly left: readonly string[]
  /** The one of these of which some elements die. */
  readonly unfinished: string | undefined
  /** The living elements that are spared, by key. */
  readonly spared: ReadonlyMap<string, readonly string[]>
}

/** As many tombstones of these keys as fit into one node; `toSpare` are block IDs by key that do not die. */
export async function tombstonesOf (living: LivingElements, keys: readonly string[], toSpare: ReadonlyMap<string, ReadonlySet<string>>): Promise<Removals> {
  const tombstones: DeltaElement[] = []
  const spared = new Map<string, readonly string[]>()
  let bytes = 0
  // Not all at once: what does not fit would be read again for each node.
  for (let at = 0, size = 1; at < keys.length; at += size, size = nextSize(size, (maxTombstoneBytes - bytes) / bytes * at)) {
    for (const { key, elements, hasMore } of await living.find(keys.slice(at, at + size))) {
      const sparing = toSpare.get(key)
      if (sparing !== undefined) spared.set(key, elements.filter(id => sparing.has(id)))
      const isBegun = (): boolean => tombstones.at(-1)?.key === key
      for (const id of elements) {
        if (sparing?.has(id) === true) continue
        if (bytes >= maxTombstoneBytes) return { tombstones, left: keys.slice(keys.indexOf(key, at)), unfinished: isBegun() ? key : undefined, spared }
        tombstones.push({ key, id, value: nothing })
        bytes += key.length + id.length + overheadBytes
      }
      if (hasMore && isBegun()) return { tombstones, left: keys.slice(keys.indexOf(key, at)), unfinished: key, spared }
    }
  }
  return { tombstones, left: [], unfinished: undefined, spared }
}

/** Keys to be read next: as many as are likely to fit, and at most twice as many as before. */
function nextSize (size: number, fitting: number): number {
  return Math.max(1, Math.min(2 * size, maxKeysPerStep, Math.ceil(fitting)))
}
