import { join } from 'node:path'
import { cidFromBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { BlockSet } from './block-set.ts'
import type { BlockStore } from './block-store.ts'
import { codecs, multihashOfKey } from './cid-parts.ts'
import { cidToBytes } from '../../domain/cid.ts'
import { walkDag } from './dag-walk.ts'
import type { KeptPin, PinSet } from './pin-set.ts'

export interface GarbageCollectionOptions {
  readonly store: BlockStore
  readonly pins: PinSet
  /** Pins under way. */
  readonly pinning: () => readonly KeptPin[]
  readonly walkFolder: string
}

/**
 * Removes the blocks that no pin holds; yields their CIDs when they are gone (as raw CIDs: a block
 * does not know how it was read). Marks first, then sweeps: what is pinned, being pinned, or put or
 * asked for by a pin meanwhile stays. Then files that are partly empty are rewritten. Memory is some
 * bits for each block. One at a time.
 * @throws ClusterError `IPFS_ANSWER` before anything is removed, when a block of a pin is missing
 *   so that what it links to cannot be known
 */
export async function * collectGarbage ({ store, pins, pinning, walkFolder }: GarbageCollectionOptions, signal: AbortSignal): AsyncGenerator<Cid[]> {
  const marks = new BlockSet()
  const spillPath = join(walkFolder, 'collection')
  const youngest = await store.beginCollection(marks)
  try {
    // In one turn: a pin that ends now is in one of the two, or in both.
    const unfinished = pinning()
    const kept = pins.list()
    await walkDag([unfinished.map(linkOf)], { store, visited: marks, signal, spillPath })
    await walkDag(links(kept), { store, visited: marks, signal, spillPath, onMissing: refuse })
    for await (const keys of store.sweep(youngest)) {
      signal.throwIfAborted()
      yield keys.map(rawCid)
    }
    for (const segment of store.sparseSegments(youngest)) await store.compact(segment, signal)
  } finally {
    store.endCollection()
  }
}

async function * links (pins: AsyncIterable<readonly KeptPin[]>): AsyncGenerator<Array<ReturnType<typeof linkOf>>> {
  for await (const batch of pins) yield batch.map(linkOf)
}

function linkOf ({ cid, depth }: KeptPin): { cid: Uint8Array, depth: number } { return { cid: cidToBytes(cid), depth } }

function refuse (cid: Uint8Array): never {
  throw new ClusterError('IPFS_ANSWER', `garbage collection removed nothing: block ${cidFromBytes(cid)} of a pin is missing, so it is unknown what belongs to the pin; recover or unpin it, then collect again`)
}

function rawCid (key: string): Cid {
  const multihash = multihashOfKey(key)
  const bytes = new Uint8Array(2 + multihash.length)
  bytes.set([1, codecs.raw])
  bytes.set(multihash, 2)
  return cidFromBytes(bytes)
}
