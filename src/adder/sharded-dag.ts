import type { CID } from 'multiformats/cid'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { assert, ClusterError, errorText } from '../domain/errors.ts'
import type { AddedOutput, PeerId } from '../domain/peer.ts'
import { pinWithOptions, type Pin } from '../domain/pin.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { AddOptions } from './adder.ts'
import type { BlockStream } from './block-sink.ts'
import { minHoldersOf, openStream, type DagAdderParts, type DagStore } from './dag-store.ts'
import { linkNodes, maxNodeLinks } from './shard-node.ts'
import { dataPinOptions, pinAll } from './single-dag.ts'

/** CIDs remembered to keep a block in one shard only, some 120 bytes each; past them, repeats are stored again. */
const maxRememberedBlocks = 2 ** 22

/** A shard that is being filled. */
interface Shard {
  readonly allocations: readonly PeerId[]
  readonly stream: BlockStream
  readonly links: CID[]
  sizeBytes: number
}

/**
 * Spreads a DAG over shards of at most `shard-size` bytes, each with peers of its own
 * (spec/components.md 7). A shard node lists the blocks of a shard, the cluster DAG the shards,
 * and the meta pin stands for the whole.
 */
export function shardedDag (parts: DagAdderParts, options: AddOptions, callOptions: CallOptions): DagStore {
  const { pinItem } = parts
  if (pinItem === undefined) throw new ClusterError('UNSUPPORTED', 'this peer does not do sharded adds: leave out shard=true')
  const { clock, loggers } = parts.platform
  const pinOptions = dataPinOptions(options.pin)
  const outputs: AddedOutput[] = []
  const seen = new Set<string>()
  const shards: CID[] = []
  const shardPins: Pin[] = []
  /** Pins that were not there before, by CID: nobody could remove them if the add failed. */
  const made = new Map<Cid, Pin>()
  let shard: Shard | undefined
  let sizeBytes = 0
  let aborted: { readonly reason: unknown } | undefined
  /** Blocks that came while a shard was being closed or opened. */
  const waiting: Block[] = []
  let working: Promise<void> | undefined

  function openWay (peers: readonly PeerId[], minHolders: number): BlockStream {
    if (aborted !== undefined) throw aborted.reason
    return openStream(parts, peers, minHolders, callOptions)
  }

  async function openShard (): Promise<Shard> {
    const allocations = await parts.destinations.allocate(pinOptions, callOptions)
    return { allocations, stream: allocations.length > 0 ? openWay(allocations, minHoldersOf(parts, { ...options, local: false })) : openWay([parts.self], 1), links: [], sizeBytes: 0 }
  }

  function fits (shard: Shard, block: Block): boolean {
    return shard.sizeBytes + block.bytes.length < pinOptions.shardSize
  }

  function addTo (shard: Shard, block: Block): Promise<void> | undefined {
    shard.links.push(block.cid)
    shard.sizeBytes += block.bytes.length
    return shard.stream.put(block)
  }

  async function workOff (): Promise<void> {
    for (let block = waiting.shift(); block !== undefined; block = waiting.shift()) {
      if (shard !== undefined && shard.sizeBytes > 0 && !fits(shard, block)) await closeShard()
      shard ??= await openShard()
      if (!fits(shard, block)) throw new ClusterError('ADD_REFUSED', 'block doesn\'t fit in empty shard: shard size too small?')
      await addTo(shard, block)
    }
    working = undefined
  }

  async function submit (pin: Pin): Promise<void> {
    if (options.noPin) return
    const submitted = await pinItem?.(pin, callOptions)
    if (submitted !== undefined && (submitted.isNew || made.has(pin.cid))) made.set(pin.cid, submitted.pin)
  }

  async function closeShard (): Promise<void> {
    assert(shard !== undefined, 'a shard is open when it is closed')
    const { allocations, stream, links } = shard
    const nodes = await linkNodes(links)
    for (const node of nodes) await stream.put(node)
    await stream.close()
    const root = nodes[0].cid
    const number = shards.length
    const previous = shards.at(-1)
    const pin: Pin = {
      ...pinWithOptions(textOf(root), pinOptions, clock.now()),
      type: 'shard-pin',
      name: `${pinOptions.name}-shard-${number}`,
      allocations: pinOptions.replicationFactorMin < 0 ? [] : allocations,
      maxDepth: links.length > maxNodeLinks ? 2 : 1,
      reference: previous === undefined ? undefined : textOf(previous),
      shardSize: shard.sizeBytes,
    }
    await submit(pin)
    shardPins.push(pin)
    outputs.push({ name: `shard-${number}`, cid: textOf(root), bytes: 0, size: shard.sizeBytes, allocations })
    shards.push(root)
    sizeBytes += shard.sizeBytes
    shard = undefined
  }

  /**
   * To be called when everything is pinned. Another peer that unpins content with shards in common, or the
   * same, may have taken parts while it did not know yet what lists them, and this peer may not have heard
   * of it. An unpin takes what its peer knows: one that takes what is pinned now knows of the cluster DAG
   * and of the root too.
   */
  async function pinAgain (clusterDag: Pin): Promise<void> {
    await pinAll(shardPins, submit)
    await submit(clusterDag)
  }

  async function storeClusterDag (): Promise<Cid> {
    const nodes = await linkNodes(shards)
    const stream = openWay([parts.self], 1)
    try {
      for (const node of nodes) await stream.put(node)
      await stream.close()
    } finally {
      stream.abort(undefined)
    }
    return textOf(nodes[0].cid)
  }

  return {
    put (block) {
      if (!remember(seen, block)) return undefined
      if (working === undefined && shard !== undefined && fits(shard, block)) return addTo(shard, block)
      waiting.push(block)
      if (working === undefined) {
        working = workOff()
        // Whoever puts waits for it too; one that gave up before does not.
        working.catch(() => {})
      }
      return working
    },
    allocations: () => shard?.allocations ?? [],
    takeOutputs: () => outputs.splice(0),
    async finish (roots) {
      await working
      const [root] = roots
      assert(root !== undefined && roots.length === 1, 'a sharded add has one root')
      if (shard !== undefined) await closeShard()
      const clusterDag = await storeClusterDag()
      outputs.push({ name: `${pinOptions.name}-clusterDAG`, cid: clusterDag, bytes: 0, size: sizeBytes, allocations: [] })
      const direct = { ...pinOptions, mode: 'direct' as const }
      const clusterDagPin: Pin = {
        ...pinWithOptions(clusterDag, direct, clock.now()),
        type: 'clusterdag-pin',
        name: `${pinOptions.name}-clusterDAG`,
        replicationFactorMin: -1,
        replicationFactorMax: -1,
        allocations: [],
        reference: root,
      }
      await submit(clusterDagPin)
      await submit({ ...pinWithOptions(root, direct, clock.now()), type: 'meta-pin', allocations: [], reference: clusterDag })
      await pinAgain(clusterDagPin)
    },
    abort (reason) {
      aborted ??= { reason }
      shard?.stream.abort(reason)
    },
    async takeBack () {
      // A shard that is being pinned shall not come through.
      await working?.catch(() => {})
      const pins = [...made.values()].toReversed()
      made.clear()
      for (const pin of pins) {
        await parts.unpinItem?.(pin).catch((error: unknown) => {
          loggers.component('adder').warn({ cid: pin.cid, error: errorText(error) }, 'the pin of a shard is left over from an add that failed')
        })
      }
    },
  }
}

/** True when the block was not met before. */
function remember (seen: Set<string>, block: Block): boolean {
  const { bytes } = block.cid
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  if (seen.has(key)) return false
  if (seen.size >= maxRememberedBlocks) seen.clear()
  seen.add(key)
  return true
}

function textOf (cid: CID): Cid {
  return cidFromBytes(cid.bytes)
}
