import type { Store } from '../../platform/store.ts'

/** Up to so many values are read at once, on the spot: less than a trip to the store's thread takes. */
const few = 4

/** Values of keys, which are nearly always few. */
export async function readFew (store: Store, keys: readonly string[]): Promise<Array<Uint8Array | undefined>> {
  return keys.length > few ? store.getMany(keys) : keys.map(key => store.getSync(key))
}
