import type { PeerId } from '../domain/peer.ts'
import type { PinOptions } from '../domain/pin.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { AddOptions } from './adder.ts'
import type { BlockStream } from './block-sink.ts'
import { minHoldersOf, openStream, type DagAdderParts, type DagStore } from './dag-store.ts'

/** Pins that are made at once: enough to share the sync of the store when an upload has many roots. */
const pinConcurrency = 64

interface Destinations {
  /** Peers of the pin. */
  readonly allocations: readonly PeerId[]
  /** Peers that get the blocks. */
  readonly destinations: readonly PeerId[]
  readonly minHolders: number
}

/**
 * Stores the whole DAG on one set of peers (spec/components.md 7). They are chosen once, at the
 * first block, so that an upload that fails before it costs no allocation.
 */
export function singleDag (parts: DagAdderParts, options: AddOptions, callOptions: CallOptions): DagStore {
  let allocations: readonly PeerId[] = []
  let stream: BlockStream | undefined
  let opening: Promise<void> | undefined
  let abortReason: { readonly reason: unknown } | undefined
  /** Blocks that were put while the peers were being chosen. */
  const early: Block[] = []

  async function open (): Promise<void> {
    const chosen = chooseDestinations(await parts.destinations.allocate(options.pin, callOptions), parts, options)
    if (abortReason !== undefined) throw abortReason.reason
    allocations = chosen.allocations
    stream = openStream(parts, chosen.destinations, chosen.minHolders, callOptions)
    // The stream's wish to wait is seen at the next put.
    for (const block of early.splice(0)) stream.put(block)
  }

  return {
    put (block) {
      if (stream !== undefined) return stream.put(block)
      early.push(block)
      if (opening === undefined) {
        opening = open()
        // Whoever puts waits for it too; one that gave up before does not.
        opening.catch(() => {})
      }
      return opening
    },
    allocations: () => allocations,
    takeOutputs: () => [],
    async finish (roots) {
      await opening
      await stream?.close()
      if (options.noPin) return
      const holders = options.pin.replicationFactorMin < 0 ? [] : allocations
      await pinAll(roots, root => parts.pinRoot(root, dataPinOptions(options.pin), holders, callOptions))
    },
    abort (reason) {
      abortReason ??= { reason }
      stream?.abort(reason)
    },
  }
}

/** What is added is always pinned as a whole, and replaces nothing. */
export function dataPinOptions (options: PinOptions): PinOptions {
  return { ...options, mode: 'recursive', pinUpdate: undefined }
}

/**
 * Who holds the DAG and who gets its blocks. A local add goes to this peer's IPFS node alone,
 * which the others fetch from; so this peer becomes a holder unless the user chose them. An
 * allocation without peers means everybody: their nodes fetch from this one.
 */
function chooseDestinations (allocated: readonly PeerId[], parts: DagAdderParts, options: AddOptions): Destinations {
  const { self } = parts
  if (allocated.length === 0) return { allocations: [], destinations: [self], minHolders: 1 }
  const minHolders = minHoldersOf(parts, options)
  if (!options.local) return { allocations: allocated, destinations: allocated, minHolders }
  const userChose = (options.pin.userAllocations ?? []).length > 0
  const allocations = allocated.includes(self) || userChose ? allocated : [...allocated.slice(0, -1), self]
  return { allocations, destinations: [self], minHolders }
}

/** Makes the pins, some at a time; none is begun after one that failed. */
export async function pinAll<T> (items: readonly T[], pin: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  let failed = false
  async function work (): Promise<void> {
    for (const item of left) {
      if (failed) return
      await pin(item).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: Math.min(pinConcurrency, items.length) }, work))
}
