import { registerHooks } from 'node:module'

/**
 * Sizes at which the product cuts its work in two, by file and name, and how small they are made.
 * Thousands of changes come together where one is reached by itself, so that a simulation would hardly
 * ever see a seam. Only sizes of steps: of what is refused beyond a limit there would be too much, and
 * what a node does not follow, because it has more heads than it may, it does not know of for the checks.
 */
export const smallLimits: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'adder/block-sink.ts': { defaultWindowBytes: 3_000 },
  'adder/single-dag.ts': { pinConcurrency: 2 },
  'cluster/repair/round.ts': { pinsPerStep: 3 },
  'cluster/repair/vacate.ts': { pinsPerStep: 3, changesAtOnce: 2 },
  'cluster/status/answer-ranges.ts': { maxHeld: 16, maxHeldBytes: 3_000 },
  'cluster/status/merge-statuses.ts': { batchSize: 4, maxBatchText: 2_000 },
  'cluster/status/own-ranges.ts': { maxLead: 2 },
  'cluster/status/status-sorter.ts': { mostInMemory: 10, writeSize: 3, batchSize: 4 },
  'codec/encode-lines.ts': { valuesAtOnce: 2 },
  'consensus/crdt/crdt-consensus.ts': { pinsPerImportedNode: 3 },
  'consensus/crdt/dag-walk.ts': { maxTaken: 3 },
  'consensus/crdt/delta-publisher.ts': { maxDeltaBytes: 700, maxIntentsPerDelta: 3 },
  'consensus/crdt/head-broadcast.ts': { maxHeadsPerMessage: 2, maxInlineTotalBytes: 900 },
  'consensus/crdt/history.ts': { maxNodes: 8, blocksPerRead: 2, maxListed: 8 },
  'consensus/crdt/living-elements.ts': { elementsPerStep: 2 },
  'consensus/crdt/lost-heads.ts': { blocksPerRead: 2 },
  'consensus/crdt/missing-nodes.ts': { takenFromDisk: 3 },
  'consensus/crdt/repair.ts': { nodesPerStep: 3 },
  'consensus/crdt/stray-moves.ts': { keysAtOnce: 2 },
  'consensus/crdt/tombstones.ts': { maxTombstoneBytes: 250, maxKeysPerStep: 2 },
  'consensus/crdt/value-check.ts': { keysPerStep: 2 },
  'consensus/crdt/walk-step.ts': { maxMergedNodes: 2, maxMergedElements: 4, maxReadBytes: 4_000, maxReadAtOnceBytes: 1_000, maxExamined: 4 },
  'rpc/frame-sender.ts': { maxUnsentBytes: 2_000 },
  'rpc/framing.ts': { batchBytes: 300 },
  'state/change-log.ts': { maxTail: 8, changesPerRead: 3 },
  'state/pinset.ts': { indexStep: 7, expiredPerStep: 2 },
  'tracker/batch-size.ts': { firstLimit: 2 },
  'tracker/change-reader.ts': { changesPerTurn: 3 },
  'tracker/failed-unpins.ts': { perStep: 2 },
  'tracker/operations.ts': { maxHeldPins: 4 },
  'tracker/ordered-operations.ts': { runLength: 4 },
  'tracker/recovery.ts': { maxRecovering: 6, roomForStep: 2 },
  'tracker/slow-lane.ts': { maxBatch: 4 },
  'tracker/status-listing.ts': { infosPerStep: 3, pinsPerTurn: 7 },
}

/** The source of one of these files with its limits made small. @throws Error when it has none of that name */
export function withSmallLimits (file: string, source: string): string {
  for (const [name, value] of Object.entries(smallLimits[file] ?? {})) {
    const declaration = new RegExp(`^((?:export )?const ${name} = )[\\d_ *]+$`, 'm')
    if (!declaration.test(source)) throw new Error(`${file} has no limit ${name} to be made small`)
    source = source.replace(declaration, `$1${value}`)
  }
  return source
}

/** Lets this thread load the product with small limits. Nothing of it may be loaded yet. */
export function useSmallLimits (): void {
  const root = new URL('../', import.meta.url).href
  registerHooks({
    load (url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const file = url.startsWith(root) ? url.slice(root.length) : ''
      return file in smallLimits ? { ...loaded, source: withSmallLimits(file, String(loaded.source)) } : loaded
    },
  })
}
