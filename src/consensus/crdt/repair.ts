import type { Store, StoreEntry } from '../../platform/store.ts'
import { cidOfMultihash, type DeltaNode } from './delta.ts'
import { prefixEnd } from './encoding.ts'
import type { ReplicaKeys } from './keys.ts'
import { LostHeads } from './lost-heads.ts'
import { isBlockOf, linksOf } from './read-node.ts'
import { readable } from './readable-node.ts'
import type { Replica } from './replica.ts'
import { ValueCheck } from './value-check.ts'
import type { WalkRecords } from './walk-records.ts'
import type { Needed } from './walk-nodes.ts'
import type { Writer } from './writer.ts'

/** Nodes that are looked at together. */
const nodesPerStep = 200

export interface RepairOptions {
  readonly store: Store
  readonly keys: ReplicaKeys
  readonly replica: Replica
  readonly writer: Writer
  readonly records: WalkRecords
  /** Takes what is missing. */
  readonly onMissing: (nodes: readonly Needed[]) => void
}

/** What a look over everything has found. */
export interface RepairReport {
  /** Nodes looked at. */
  readonly nodes: number
  /** Nodes that have to be fetched or merged, also anew because their blocks are not what they were. */
  readonly missing: number
  /** Heads that were none. */
  readonly falseHeads: number
  /** Merged nodes that were no heads though none follows them. */
  readonly lostHeads: number
  /** Nodes and keys of which entries or the value were not right, and are now. */
  readonly corrected: number
}

/**
 * Looks over the whole DAG for holes: nodes below the heads that are not merged, or whose blocks
 * are gone. All nodes are looked at in the order of the store instead of along their links: that
 * takes constant memory and reads the disk in one pass. If every head and everything that a merged
 * node follows is merged, then all below the heads is.
 *
 * What a failing disk loses meanwhile ends it: what was seen may be gone.
 *
 * With `withValues` also looks whether the set is what the nodes say, and whether all that was merged is below the heads.
 */
export async function repair (options: RepairOptions, { withValues, signal }: { readonly withValues: boolean, readonly signal: AbortSignal }): Promise<RepairReport> {
  const { store, keys, replica, writer, onMissing } = options
  let missing = 0
  let falseHeads = 0
  // Within a turn: heads that the disk has lost would be fetched as what others follow, and be none any more.
  const heads = await writer.turn(() => unmerged(options, replica.heads.names()))
  const { opening } = writer
  const found = (nodes: readonly Needed[]): void => {
    writer.refuseAnew(opening)
    missing += nodes.length
    if (nodes.length > 0) onMissing(nodes)
  }
  found(heads)
  found(await withoutBlock(options, signal))
  const values = withValues ? new ValueCheck({ ...options, opening }) : undefined
  const unled = withValues ? await LostHeads.begin(options) : undefined
  let nodes = 0
  const blocks = unled?.blocks ?? store.iterate({ gte: keys.block(''), lt: prefixEnd(keys.block('')) })
  for await (const { nodes: step, waiting, rotten } of mergedNodes(options, blocks, signal)) {
    nodes += step.length
    found(rotten)
    const links = new Set(step.flatMap(linksOf))
    found(await unmerged(options, [...links]))
    falseHeads += await dropFalseHeads(options, links, opening)
    await values?.checkNodes(step)
    await unled?.note(step, links.union(new Set(waiting.flatMap(linksOf))))
  }
  await values?.checkKeys(signal)
  return { nodes, missing, falseHeads, lostHeads: await unled?.restore(signal) ?? 0, corrected: values?.corrected ?? 0 }
}

/** Of these nodes, those that are neither merged nor on their way. */
async function unmerged ({ store, keys, records }: RepairOptions, names: readonly string[]): Promise<Needed[]> {
  const [done, known] = await Promise.all([store.getMany(names.map(name => keys.processed(name))), records.getMany(names)])
  return names.filter((_, i) => done[i] === undefined && known[i] === undefined).map(node => ({ node, isLost: false }))
}

/** Merged nodes whose blocks are not here: others ask for them. Both lists have the same order. */
async function withoutBlock ({ store, keys }: RepairOptions, signal: AbortSignal): Promise<Needed[]> {
  const lost: Needed[] = []
  const blockPrefix = keys.block('')
  const markerPrefix = keys.processed('')
  // In this order: what is merged meanwhile has a block in the one, and no marker in the other.
  const markers = store.keys({ gte: markerPrefix, lt: prefixEnd(markerPrefix) })
  const blocks = items(store.keys({ gte: blockPrefix, lt: prefixEnd(blockPrefix) }))
  let block = await blocks.next()
  for await (const steps of markers) {
    signal.throwIfAborted()
    for (const key of steps) {
      const node = key.slice(markerPrefix.length)
      if (node.includes('/')) continue
      while (block.done !== true && block.value.slice(blockPrefix.length) < node) block = await blocks.next()
      if (block.done !== true && block.value.slice(blockPrefix.length) === node) continue
      if (lost.length < maxLost) lost.push({ node, isLost: true })
    }
  }
  await blocks.return(undefined)
  return lost
}

/** Lost blocks that one repair takes care of; the next one sees to the rest. */
const maxLost = 10_000

async function * items<T> (steps: AsyncIterable<T[]>): AsyncGenerator<T, undefined> {
  for await (const step of steps) yield * step
  return undefined
}

/** All merged nodes, some at a time, those that wait to be merged, and merged ones whose blocks are not what they were. */
async function * mergedNodes ({ store, keys }: RepairOptions, blocks: AsyncIterable<StoreEntry[]>, signal: AbortSignal): AsyncGenerator<{ readonly nodes: DeltaNode[], readonly waiting: DeltaNode[], readonly rotten: Needed[] }> {
  const prefix = keys.block('')
  for await (const entries of blocks) {
    for (let at = 0; at < entries.length; at += nodesPerStep) {
      signal.throwIfAborted()
      const part = entries.slice(at, at + nodesPerStep)
      const done = await store.getMany(part.map(({ key }) => keys.processed(key.slice(prefix.length))))
      const nodes: DeltaNode[] = []
      const waiting: DeltaNode[] = []
      const rotten: Needed[] = []
      for (const [i, { key, value }] of part.entries()) {
        const name = key.slice(prefix.length)
        const isMerged = done[i] !== undefined
        const node = readable(name, value)
        if (node !== undefined) (isMerged ? nodes : waiting).push(node)
        else if (isMerged && !isBlockOf(name, value)) rotten.push({ node: name, isLost: true })
      }
      yield { nodes, waiting, rotten }
    }
  }
}

/** A head that a merged node follows is none; older versions of the Go program leave such. */
async function dropFalseHeads ({ replica, writer }: RepairOptions, links: ReadonlySet<string>, opening: number | undefined): Promise<number> {
  const heads = replica.heads.names().filter(name => links.has(name))
  if (heads.length === 0) return 0
  await writer.turn(async () => { await writer.commit({ prepared: replica.prepareHeads(change => { change.remove(heads.map(cidOfMultihash)) }), sync: false }) }, opening)
  return heads.length
}
