import { join } from 'node:path'
import { cidFromBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { CollectedKey } from '../../domain/repository.ts'
import { BlockSet } from './block-set.ts'
import type { BlockStore } from './block-store.ts'
import { codecs, multihashOfKey } from './cid-parts.ts'
import { cidToBytes } from '../../domain/cid.ts'
import { walkDag, type FetchedBlock } from './dag-walk.ts'
import type { KeptPin, PinSet } from './pin-set.ts'

export interface GarbageCollectionOptions {
  readonly store: BlockStore
  readonly pins: PinSet
  /** Pins under way. */
  readonly pinning: () => readonly KeptPin[]
  readonly walkFolder: string
  /** Brings a block from other nodes; undefined when none of them gives it soon. */
  readonly bring: (cid: Uint8Array, signal: AbortSignal) => Promise<FetchedBlock | undefined>
}

/**
 * Removes the blocks that no pin holds; yields their CIDs when they are gone (as raw CIDs: a block
 * does not know how it was read). Marks first, then sweeps: what is pinned, being pinned, or put or
 * asked for by a pin meanwhile stays. Then files that are partly empty are rewritten. Memory is some
 * bits for each block. One at a time. On a disk that has no room for that the files stay as they are,
 * which an entry with an error tells. A block of a pin that rotted on disk is brought from other
 * nodes: else what it links to could not be known.
 * @throws ClusterError `IPFS_ANSWER` before anything is removed, when no other node has such a block
 */
export async function * collectGarbage ({ store, pins, pinning, walkFolder, bring }: GarbageCollectionOptions, signal: AbortSignal): AsyncGenerator<CollectedKey[]> {
  const marks = new BlockSet()
  const spillPath = join(walkFolder, 'collection')
  const youngest = await store.beginCollection(marks)
  try {
    // In one turn: a pin that ends now is in one of the two, or in both.
    const unfinished = pinning()
    const kept = pins.list()
    await walkDag([unfinished.map(linkOf)], { store, visited: marks, signal, spillPath })
    await walkDag(links(kept), { store, visited: marks, signal, spillPath, onMissing: async (cid, walkSignal) => await bring(cid, walkSignal) ?? refuse(cid) })
    for await (const keys of store.sweep(youngest)) {
      signal.throwIfAborted()
      yield keys.map(key => ({ cid: rawCid(key), error: '' }))
    }
    for (const segment of store.sparseSegments(youngest)) {
      try {
        await store.compact(segment, signal)
      } catch (error) {
        if (!(error instanceof ClusterError) || error.code !== 'STORE_FULL') throw error
        // The others need more room.
        yield [{ cid: undefined, error: error.message }]
        break
      }
    }
  } finally {
    store.endCollection()
  }
}

async function * links (pins: AsyncIterable<readonly KeptPin[]>): AsyncGenerator<Array<ReturnType<typeof linkOf>>> {
  for await (const batch of pins) yield batch.map(linkOf)
}

function linkOf ({ cid, depth }: KeptPin): { cid: Uint8Array, depth: number } { return { cid: cidToBytes(cid), depth } }

function refuse (cid: Uint8Array): never {
  throw new ClusterError('IPFS_ANSWER', `garbage collection removed nothing: block ${cidFromBytes(cid)} of a pin is missing and no connected IPFS node gives it, so it is unknown what belongs to the pin; connect a node that has it, or unpin what it belongs to, then collect again`)
}

function rawCid (key: string): Cid {
  const multihash = multihashOfKey(key)
  const bytes = new Uint8Array(2 + multihash.length)
  bytes.set([1, codecs.raw])
  bytes.set(multihash, 2)
  return cidFromBytes(bytes)
}
